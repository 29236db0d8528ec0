"""Reaching what a configuration names: the Engine, and every sink."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from pipeline import component
from pipeline.component import Context, Sink
from pipeline.config import Reading
from pipeline.errors import DocklineError
from pipeline.sources.docker.endpoint import resolve
from pipeline.sources.docker.engine import Engine

PATIENCE = 10.0
"""Seconds that each may take."""

Attempt = Callable[[], Awaitable[str]]
"""Says what it reached; raises `DocklineError` where it did not."""


@dataclass(frozen=True)
class Answer:
    """How it went with one of them."""

    what: str
    """`engine`, or `sink NAME`."""
    detail: str = ""
    """What was reached."""
    trouble: str = ""
    """A sentence; empty when it was reached."""

    def json(self) -> dict[str, str | bool]:
        detail = self.trouble or self.detail
        return {"what": self.what, "reached": not self.trouble, "detail": detail}


def reach(reading: Reading, environ: Mapping[str, str]) -> list[Answer]:
    """Tries the Engine and all sinks at the same time. Sends nothing.

    Raises `EngineError` where the Engine's address cannot be made out at all.
    """
    config = reading.config
    engine = Engine(resolve(config.engine.url, config.engine.tls, environ))
    attempts: dict[str, Attempt] = {"engine": partial(_engine, engine)}
    for name, sink in config.sinks.items():
        made = component.implementation("sinks", sink.type)(sink, Context(name))
        attempts[f"sink {name}"] = partial(_sink, made, sink.type)
    return [
        Answer(answer.what, reading.conceal(answer.detail), reading.conceal(answer.trouble))
        for answer in asyncio.run(_try_all(attempts))
    ]


async def _try_all(attempts: Mapping[str, Attempt]) -> list[Answer]:
    return await asyncio.gather(*(_try(what, attempt) for what, attempt in attempts.items()))


async def _try(what: str, attempt: Attempt) -> Answer:
    try:
        async with asyncio.timeout(PATIENCE):
            return Answer(what, detail=await attempt())
    except TimeoutError:
        return Answer(what, trouble=f"no answer within {PATIENCE:g} seconds")
    except DocklineError as error:
        return Answer(what, trouble=str(error))


async def _engine(engine: Engine) -> str:
    try:
        await engine.connect()
        return f"{engine.endpoint.url}, API {'.'.join(map(str, engine.api))}, host {engine.host}"
    finally:
        await engine.close()


async def _sink(sink: Sink[Any], kind: str) -> str:
    try:
        await sink.open()
        return kind
    finally:
        await sink.close()
