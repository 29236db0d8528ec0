"""What the configuration has an agent do, for a picture of it: the answer of `GET /api/graph`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from aiohttp import web
from msgspec import Struct

from pipeline.config import Config
from pipeline.model.component import SinkConfig, SourceConfig
from pipeline.model.secrecy import Stars
from pipeline.observe.access import Guard
from pipeline.observe.query import Query
from pipeline.page.answers import answer

_ADDRESSES: Final = (
    "address", "url", "urls", "servers", "brokers", "endpoint", "listen", "path", "bucket",
)  # fmt: skip
"""Settings that say where a sink or source is, of which each component has one."""
LONGEST: Final = 200
"""Characters of an address that are shown."""


class Graph:
    """Answers with sources, routes and sinks, and how they hang together."""

    def __init__(
        self,
        about: Callable[[], dict[str, Any]],
        config: Callable[[], Config],
        entries: Guard,
        conceal: Callable[[str], str],
    ) -> None:
        """`about`: facts of the agent itself. `config`: the present configuration. `entries`: who
        may see entries. `conceal` hides in a text of the configuration what must not be shown."""
        self._about = about
        self._config = config
        self._entries = entries
        self._conceal = conceal

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answers with the graph."""
        Query(request)
        refusal = self._entries.refusal(request) or ""
        return answer(
            {**self._about(), "entries": refusal, **describe(self._config(), self._conceal)}
        )


def describe(config: Config, conceal: Callable[[str], str]) -> dict[str, Any]:
    """Sources, routes and sinks of a configuration. Secrets in addresses are hidden."""
    docker = {"name": "docker", "type": "docker", "address": conceal(str(config.engine.url or ""))}
    return {
        "sources": [
            *([docker] if config.engine.enabled else []),
            *(
                {"name": name, "type": source.type, "address": address_of(source, conceal)}
                for name, source in config.sources.items()
            ),
        ],
        "routes": [
            {
                "name": name,
                "from": list(route.sources),
                "containers": route.containers and conceal(str(route.containers)),
                "labels": route.labels,
                "stages": [stage.name for stage in route.stages],
                "to": route.sinks,
                "feeds": route.feeds,
            }
            for name, route in config.routes.items()
        ],
        "sinks": [_sink(name, sink, conceal) for name, sink in config.sinks.items()],
    }


def _sink(name: str, sink: SinkConfig, conceal: Callable[[str], str]) -> dict[str, Any]:
    buffer = sink.buffer
    return {
        "name": name,
        "type": sink.type,
        "address": address_of(sink, conceal),
        "when_full": buffer.when_full,
        "memory_limit": int(buffer.memory),
        "disk_limit": int(buffer.disk or 0),
        "dead_letter": sink.dead_letter,
    }


def address_of(config: SinkConfig | SourceConfig | Struct, conceal: Callable[[str], str]) -> str:
    """Where a sink or source is, without what must not be shown; empty if it has no address."""
    for key in _ADDRESSES:
        value = getattr(config, key, None)
        if value:
            text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
            return Stars(config)(conceal(text))[:LONGEST]  # of a secret that is cut, the rest stays
    return ""
