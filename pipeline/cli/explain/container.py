"""Asks the Engine for one container."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from pipeline.config import ConfigFile
from pipeline.config.wording import nearest
from pipeline.explain.facts import Found
from pipeline.explain.values import shown
from pipeline.model.errors import EngineError
from pipeline.sources.docker.discovery.facts import from_inspect, from_list
from pipeline.sources.docker.discovery.own_container import own_container
from pipeline.sources.docker.engine.client import Engine, NotFound
from pipeline.sources.docker.engine.endpoint import resolve


def ask(name: str, reading: ConfigFile, environ: Mapping[str, str]) -> Found:
    """The container with this name or id. Blocks, and must not be called in an event loop.

    Raises `EngineError` when there is no such container, or no Engine.
    """
    config = reading.config.engine
    engine = Engine(resolve(config.url, config.tls, environ))
    answer, host = asyncio.run(_ask(name, engine))
    try:
        found = from_inspect(answer, host)
        return Found(found, list(_reasons(answer)), list(_notes(answer)))
    except (LookupError, TypeError, AttributeError) as error:
        raise EngineError(
            f"{engine.endpoint.url} describes {shown(name)} in another way than Docker"
        ) from error


async def _ask(name: str, engine: Engine) -> tuple[Any, str]:
    """The Engine's answer, and the name of its host."""
    try:
        await engine.connect()
        try:
            return await engine.get(f"/containers/{quote(name, safe='')}/json"), engine.host
        except NotFound as error:
            raise EngineError(await _no_such(name, engine)) from error
    finally:
        await engine.close()


def _reasons(answer: Mapping[str, Any]) -> Iterator[str]:
    if answer["Id"] == own_container():
        yield "the agent runs in it, and never follows itself"


def _notes(answer: Mapping[str, Any]) -> Iterator[str]:
    if not (answer.get("State") or {}).get("Running"):
        yield "it is not running; it is read from its next start on"
    log_config = (answer.get("HostConfig") or {}).get("LogConfig") or {}
    if log_config.get("Type") == "none":
        yield 'its log driver is "none", which keeps nothing that could be read'


async def _no_such(name: str, engine: Engine) -> str:
    listed = await engine.get("/containers/json", all="1")
    try:
        names = sorted(from_list(item, "").name for item in listed)
    except (LookupError, TypeError, AttributeError):
        names = []
    most = 10
    known = ", ".join(names[:most]) + (f" and {len(names) - most} more" * (len(names) > most))
    hint = nearest(name, names) or (f"there are {known}" if names else "there are no containers")
    return f"there is no container {shown(name)}; {hint}"
