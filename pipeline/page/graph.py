"""What the configuration has an agent do, for a picture of it: the answer of `GET /api/graph`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiohttp import web

from pipeline.config import Config
from pipeline.config.addresses import address_of
from pipeline.model.component import SinkConfig
from pipeline.observe.access import Guard
from pipeline.observe.query import Query
from pipeline.page.answers import answer


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
