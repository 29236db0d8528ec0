"""NATS and its JetStream, for sinks and sources.

`connection` is a connection to one of several servers. Over it, `jetstream` asks the API and
publishes; `streams` and `consumers` make or check what it has by these names, and a consumer is
read by pulling. `leases` share out partitions among processes, and `unacknowledged` knows what was
delivered and is not settled yet.
"""
