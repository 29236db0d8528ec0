"""Batches in, bytes out. Pure functions: no I/O, no clock."""
