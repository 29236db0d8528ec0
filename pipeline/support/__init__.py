"""What is not about logs at all."""
