"""The difference between a running agent's configuration and a new one.

Most settings can change while the agent runs. Those that cannot keep their old value until the next
start, and are reported.
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
    ("http", "tls"), ("http", "trust_proxy"), ("http", "page"), ("agent", "log"),
)  # fmt: skip
"""Paths of the settings that are only read when the agent starts."""


@dataclass(frozen=True)
class Difference:
    """What changes from one configuration to the next. `str()` is a summary for the log."""

    config: Config
    """The configuration to apply: the new one, with the old values of what cannot change."""
    fixed: list[str]
    """Paths of the changed settings that wait for a restart, as the user writes them, sorted."""
    added: list[str]
    """Names of the sinks that are new."""
    removed: list[str]
    """Names of the sinks that are gone."""
    changed: list[str]
    """Names of the sinks whose settings differ."""
    routes: list[str]
    """Names of the routes that are new, gone or different, sorted."""
    sources: list[str] = field(default_factory=list)
    """Names of the configured sources that are new, gone or different, sorted."""

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
    """The `Difference` between `old`, which the agent runs with, and `new`."""
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
    """`new` with the old kind of buffer: entries cannot move between memory and disk."""
    buffer = msgspec.structs.replace(new.buffer, disk=old.buffer.disk)
    return msgspec.structs.replace(new, buffer=buffer)


def _different(old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    for name in old.keys() | new.keys():
        if not same(old.get(name), new.get(name)):
            yield name
