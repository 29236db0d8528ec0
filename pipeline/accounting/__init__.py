"""Which batches are not settled, where to resume, and what became of every entry."""
