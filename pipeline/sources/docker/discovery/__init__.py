"""Which containers there are, what they are, and what happens to them."""
