"""What is outstanding, where to resume, and what became of every entry."""
