"""`dockline check --live`: reaches the Engine, every source and every sink."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter
from typing import Any

from pipeline.config import ConfigFile
from pipeline.model import registry
from pipeline.model.component import Sink, SinkContext, Source, SourceContext
from pipeline.model.errors import DocklineError
from pipeline.model.secrecy import Stars
from pipeline.sources.docker.engine.client import Engine
from pipeline.sources.docker.engine.endpoint import resolve

PATIENCE = 15.0
"""Seconds that each may take. Most sinks give up sooner, and say better what is wrong."""

Attempt = Callable[[], Awaitable[str]]
"""Returns what it reached, as text. Raises `DocklineError` if it reached nothing."""


@dataclass(frozen=True)
class Answer:
    """The result for the Engine, a source or a sink."""

    what: str
    """`engine`, `source NAME` or `sink NAME`."""
    detail: str = ""
    """What was reached, such as an address."""
    trouble: str = ""
    """Why it was not reached, a sentence; empty if it was."""
    seconds: float = 0.0
    """How long it took."""

    @property
    def sentence(self) -> str:
        """What was reached, or why not, and how long it took."""
        milliseconds = 1000 * self.seconds
        took = f"{milliseconds:.3g}" if milliseconds < 1000 else f"{milliseconds:.0f}"
        return f"{self.trouble or self.detail} ({took} ms)"

    def json(self) -> dict[str, str | bool | float]:
        """The result as `--format json` prints it."""
        detail, seconds = self.trouble or self.detail, round(self.seconds, 6)
        return {
            "what": self.what,
            "reached": not self.trouble,
            "detail": detail,
            "seconds": seconds,
        }


def reach(reading: ConfigFile, environ: Mapping[str, str]) -> list[Answer]:
    """Tries the Engine, all sources and all sinks at the same time. Sends and reads no entry.

    One answer for each, in the order of the configuration; none has a secret. Raises `EngineError`
    when the Engine's address can't be determined.
    """
    config = reading.config
    attempts: dict[str, Attempt] = {}
    shown: dict[str, Callable[[str], str]] = {}
    if config.engine.enabled:
        engine = Engine(resolve(config.engine.url, config.engine.tls, environ))
        attempts["engine"] = partial(_engine, engine)
    for name, table in config.sources.items():
        source = registry.implementation("sources", table.type)(table, SourceContext(name))
        shown[f"source {name}"] = Stars(table)
        attempts[f"source {name}"] = partial(_open, source, table.type)
    for name, sink in config.sinks.items():
        made = registry.implementation("sinks", sink.type)(sink, SinkContext(name))
        shown[f"sink {name}"] = Stars(sink)
        attempts[f"sink {name}"] = partial(_open, made, sink.type)
    return [
        replace(
            answer,
            detail=stars(reading.starred(answer.detail)),
            trouble=stars(reading.starred(answer.trouble)),
        )
        for answer in asyncio.run(_try_all(attempts))
        for stars in (shown.get(answer.what, str),)
    ]


async def _try_all(attempts: Mapping[str, Attempt]) -> list[Answer]:
    return await asyncio.gather(*(_try(what, attempt) for what, attempt in attempts.items()))


async def _try(what: str, attempt: Attempt) -> Answer:
    start, detail, trouble = perf_counter(), "", ""
    try:
        async with asyncio.timeout(PATIENCE):
            detail = await attempt()
    except TimeoutError:
        trouble = f"no answer within {PATIENCE:g} seconds"
    except DocklineError as error:
        trouble = str(error)
    return Answer(what, detail, trouble, perf_counter() - start)


async def _engine(engine: Engine) -> str:
    try:
        await engine.connect()
        return f"{engine.endpoint.url}, API {'.'.join(map(str, engine.api))}, host {engine.host}"
    finally:
        await engine.close()


async def _open(one: Source | Sink[Any], kind: str) -> str:
    try:
        await one.open()
        if isinstance(one, Sink):
            await one.probe()
        return ", ".join(part for part in (kind, one.reached()) if part)
    finally:
        await one.close()
