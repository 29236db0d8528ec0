"""Kafka: the brokers of a cluster, and a producer whose records are stored once."""
