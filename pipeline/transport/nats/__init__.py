"""NATS and its JetStream, for sinks and sources.

`connection` is a connection to one of several servers, as `auth` says, over `client`. `jetstream`
asks the API over it, and publishes; `streams` and `consumers` make or check what it has by these
names, and `pull` reads a consumer. `partition` reads one of the `durables` that processes share, in
order; `members` are those processes, and `shares` says who reads what. `unacknowledged` knows what
was delivered and is not settled yet. `errors` are those of JetStream.
"""
