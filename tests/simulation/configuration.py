"""The agent's configuration, as a plan has it."""

from __future__ import annotations

from collections.abc import Mapping

from tests.simulation.peers.stores import KINDS, Store
from tests.simulation.plan import Setup, Sink

_EVERYWHERE = """\
[state]
directory = "/simulated/state"
[http]
listen = "off"
[agent]
log = "text"
shutdown = "20s"
"""
_QUEUE = """\
[sinks.queue]
type = "nats"
urls = ["nats://nats"]
format = "columns"
partitions = 2
retry = { max = "5s" }
"""
_HUB = """\
[engine]
enabled = false
[sources.queue]
type = "nats"
urls = ["nats://nats"]
partitions = 2
"""


def agent_of(setup: Setup, stores: Mapping[str, Store], memory: str | None) -> str:
    """Of an agent that reads an Engine."""
    text = [
        '[engine]\nurl = "unix:///simulated/run/docker.sock"',
        f'[logs]\nread = "{setup.reads}"\nstart = "{setup.start}"\nreconcile = "60s"',
        '[stats]\nevery = "300s"',
        _EVERYWHERE,
    ]
    stages = "stages = [{ join = '^<' }]\n" if setup.join else ""
    if setup.hubs:
        text += [_QUEUE, f'[routes.all]\n{stages}to = ["queue"]']
    else:
        text += [_sink(sink, stores, memory) for sink in setup.sinks]
        text.append(f"[routes.all]\n{stages}to = [{_names(setup)}]")
    return "\n".join(text)


def hub_of(setup: Setup, stores: Mapping[str, Store], memory: str | None) -> str:
    """Of a hub, which reads the queue."""
    sinks = [_sink(sink, stores, memory) for sink in setup.sinks]
    route = f'[routes.all]\nfrom = ["queue"]\nto = [{_names(setup)}]'
    return "\n".join([_EVERYWHERE, _HUB, *sinks, route])


def _names(setup: Setup) -> str:
    return ", ".join(f'"{sink.name}"' for sink in setup.sinks)


def _sink(sink: Sink, stores: Mapping[str, Store], memory: str | None) -> str:
    settings = KINDS[sink.kind][1].format(stores[sink.name].address())
    return (
        f"[sinks.{sink.name}]\n{settings}\n"
        f'buffer = {{ memory = "{memory or sink.memory}", disk = "{sink.disk}", '
        f'when_full = "{sink.when_full}" }}\n'
        f'batch = {{ linger = "{sink.linger}", entries = {sink.entries} }}\n'
        'retry = { max = "5s" }\n'
    )
