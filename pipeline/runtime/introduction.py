"""What the agent says of itself in its log: what it does, when it begins, and what it did, at the
end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from pipeline.config import Config
from pipeline.config.addresses import address_of
from pipeline.config.wording import listed, size
from pipeline.model.component import SinkConfig
from pipeline.support.plural import plural
from pipeline.topology.output import SinkNow

MOST = 12
"""Routes and sinks that are described one by one."""
LONGEST = 100
"""Characters of an expression that are shown."""
LOST = "stopped"
"""The reason for which entries are dropped that are undelivered at the end, and that nobody can
read or send again."""


def beginning(config: Config, conceal: Callable[[str], str]) -> Iterator[str]:
    """What the agent follows and where it sends, in sentences.

    `conceal` hides in a text of the configuration what must not be shown.
    """
    yield from _some("route", [_route(name, config, conceal) for name in config.routes])
    yield from _some("sink", [_sink(*one, conceal) for one in config.sinks.items()])


def _some(what: str, said: list[str]) -> Iterator[str]:
    yield from (f"{what} {one}" for one in said[:MOST])
    if (more := len(said) - MOST) > 0:
        yield f"and {more} more {plural(more, what)}"


def _route(name: str, config: Config, conceal: Callable[[str], str]) -> str:
    route = config.routes[name]
    feeding = [f"route:{one}" for one in config.feeding(name)]
    what = f"what comes from {listed(feeding)}" if feeding else listed(route.sources)
    whose = "all containers"
    if route.containers:
        text = conceal(str(route.containers))
        whose = f"containers where {text if len(text) <= LONGEST else text[:LONGEST] + '…'}"
    stages = ", ".join(stage.name for stage in route.stages)
    through = f" through {stages}" if stages else ""
    return f"{name}: {what} of {whose}{through} to {listed(route.to)}"


def _sink(name: str, sink: SinkConfig, conceal: Callable[[str], str]) -> str:
    where, buffer = address_of(sink, conceal), sink.buffer
    if sink.type == "console":
        where = "standard output"
    room = f"buffer {size(int(buffer.memory))} of memory"
    if buffer.disk:
        room += f" and {size(int(buffer.disk))} of disk"
    return f"{name}: {', '.join(filter(None, (sink.type, where, room)))}, {_FULL[buffer.when_full]}"


_FULL = {
    "block": "reading waits when it is full",
    "drop_newest": "new entries are dropped when it is full",
    "drop_oldest": "old entries are dropped when it is full",
}


def ending(sinks: Iterable[SinkNow]) -> Iterator[str]:
    """What became of the entries at each sink, in sentences."""
    yield from _some("sink", [_outcome(sink) for sink in sinks])


def _outcome(sink: SinkNow) -> str:
    said = [f"{sink.delivered:,} {plural(sink.delivered, 'entry')} delivered"]
    if sink.dropped and (dropped := sum(sink.dropped.values())):
        why = ", ".join(sorted(reason for reason, count in sink.dropped.items() if count))
        said.append(f"{dropped:,} dropped ({why})")
    if sink.dead_lettered:
        said.append(f"{sink.dead_lettered:,} given to its dead-letter sink")
    kept = sink.entries - sink.dropped.get(LOST, 0)
    if kept > 0:
        said.append(f"{kept:,} not delivered yet")
    return f"{sink.name}: {', '.join(said)}"
