"""dockline: one agent per Docker host.

`docs/explain/architecture.md` has the nouns, the rooms and one line's way. To read the code in that
order:

1. `model.container`, `model.batch`      what travels
2. `sources.docker.logs.follower`        one container's log: two readers, `batcher`, `distributor`
3. `topology.container_lanes`, `lane`    which routes take it, and what their stages leave
4. `topology.output`, `buffer.memory`    what waits for a sink
5. `topology.delivery`                   gathers, encodes, sends, retries, settles
6. `accounting.acks`, `checkpoint`       what is outstanding, and where to resume
7. `accounting.ledger`                   what became of every entry
8. `runtime.agent`                       the only module that knows all of these
"""

__version__ = "0.1.0"
