"""Batches as objects of S3: what goes into which, under which key, and in which format."""
