"""What another configuration means for an agent that runs.

Most of it can change while the agent runs. What cannot is kept as it was until the next start, and
said; everything else applies.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from pipeline.config.problems import dotted
from pipeline.config.settings import Config
from pipeline.model.component import SinkConfig
from pipeline.model.tables import same

FIXED = (
    ("engine", "enabled"), ("engine", "url"), ("engine", "tls"),
    ("logs", "read"), ("stats", "every"), ("stats", "labels"),
    ("state", "directory"), ("http", "listen"),
    ("http", "token"), ("http", "hosts"), ("http", "metrics"), ("http", "tap"), ("http", "reload"),
)  # fmt: skip
"""Settings that count only when the agent starts."""


@dataclass(frozen=True)
class Difference:
    """From one configuration to the next."""

    config: Config
    """The new one, with what cannot change as it was."""
    fixed: list[str]
    """What that is, as the user writes it."""
    added: list[str]
    """Names of sinks, as in the two that follow."""
    removed: list[str]
    changed: list[str]
    routes: list[str]
    """Those that are new, gone, or not what they were."""
    sources: list[str] = field(default_factory=list)
    """Likewise."""

    def __str__(self) -> str:
        parts = (
            ("sinks added", self.added),
            ("removed", self.removed),
            ("changed", self.changed),
            ("routes changed", self.routes),
            ("sources changed", self.sources),
        )
        told = [f"{what}: {', '.join(names)}" for what, names in parts if names]
        return "; ".join(told) or "no sink and no route has changed"


def compare(old: Config, new: Config) -> Difference:
    """`old` is what the agent runs with."""
    fixed = [path for path in FIXED if not same(_at(old, *path), _at(new, *path))]
    for table, key in fixed:
        one = msgspec.structs.replace(_at(new, table), **{key: _at(old, table, key)})
        new = msgspec.structs.replace(new, **{table: one})
    sinks = dict(new.sinks)
    paths = [dotted(path) for path in fixed]
    for name in sinks.keys() & old.sinks.keys():
        if bool(sinks[name].buffer.disk) != bool(old.sinks[name].buffer.disk):
            sinks[name] = _with_disk_of(old.sinks[name], sinks[name])
            paths.append(dotted(("sinks", name, "buffer", "disk")))
    return Difference(
        msgspec.structs.replace(new, sinks=sinks),
        sorted(paths),
        added=[name for name in sinks if name not in old.sinks],
        removed=[name for name in old.sinks if name not in sinks],
        changed=[
            name for name in sinks if name in old.sinks and not same(sinks[name], old.sinks[name])
        ],
        routes=sorted(_different(old.routes, new.routes)),
        sources=sorted(_different(old.sources, new.sources)),
    )


def _at(value: Any, *path: str) -> Any:
    for name in path:
        value = getattr(value, name)
    return value


def _with_disk_of(old: SinkConfig, new: SinkConfig) -> SinkConfig:
    """What is in a buffer cannot move to one of another kind."""
    buffer = msgspec.structs.replace(new.buffer, disk=old.buffer.disk)
    return msgspec.structs.replace(new, buffer=buffer)


def _different(old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    for name in old.keys() | new.keys():
        if not same(old.get(name), new.get(name)):
            yield name
