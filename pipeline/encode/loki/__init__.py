"""Batches as push requests of Loki, in its two forms, and which entries it has not taken."""
