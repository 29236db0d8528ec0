"""Batches as messages of NATS: their bodies and headers, their subjects, and their partitions."""
