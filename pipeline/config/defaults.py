"""What a configuration leaves out, as a user would write it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.config.advice.advise import takes_from
from pipeline.model import registry

LISTEN = "DOCKLINE_HTTP_LISTEN"
"""The environment variable with the default of `http.listen`. The image sets it: 127.0.0.1 of a
container cannot be reached from outside."""


def with_defaults(tree: dict[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """The file's tables with what it leaves out, as a user would write it.

    That is `http.listen` from the environment, a `console` sink if there is no sink, and routes if
    there are none: `all` for the logs, and `stats` for sinks that take no logs, such as
    `prometheus`.
    """
    http = tree.get("http", {})
    if isinstance(http, dict) and environ.get(LISTEN):
        tree = {**tree, "http": {"listen": environ[LISTEN], **http}}
    sinks = tree.get("sinks", {})
    if sinks == {}:
        sinks = {"console": {"type": "console"}}
    routes = tree.get("routes", {})
    if routes == {} and isinstance(sinks, dict):
        tables = {name: sink for name, sink in sinks.items() if isinstance(sink, dict)}
        letters = [sink.get("dead_letter") for sink in tables.values()]
        routes = {}
        for name, sink in tables.items():
            if name not in letters:
                route, sources = _default_route(sink.get("type"))
                routes.setdefault(route, {"from": sources, "to": []})["to"].append(name)
    return {**tree, "sinks": sinks, "routes": routes}


def _default_route(sink_type: object) -> tuple[str, list[str]]:
    logs = sink_type not in registry.names("sinks") or "logs" in takes_from(str(sink_type))
    return ("all", ["logs"]) if logs else ("stats", ["stats"])
