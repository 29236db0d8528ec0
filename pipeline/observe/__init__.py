"""What an agent that runs shows over HTTP, and who may see it."""
