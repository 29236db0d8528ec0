"""What to write instead of words and formats of other tools. Only for messages."""
