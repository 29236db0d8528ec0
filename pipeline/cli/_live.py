"""Reaching what a configuration names: the Engine, and every sink."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial

from pipeline import component
from pipeline.component import Context, SinkConfig
from pipeline.config import Reading
from pipeline.config.settings import EngineConfig
from pipeline.errors import DocklineError
from pipeline.sources.docker.endpoint import resolve
from pipeline.sources.docker.engine import Engine

PATIENCE = 10.0
"""Seconds that each may take."""


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
    """Tries the Engine and all sinks at the same time. Sends nothing."""
    return asyncio.run(_reach(reading, environ))


async def _reach(reading: Reading, environ: Mapping[str, str]) -> list[Answer]:
    config = reading.config
    attempts: dict[str, Callable[[], Awaitable[str]]] = {
        "engine": partial(_engine, config.engine, environ)
    }
    for name, sink in config.sinks.items():
        attempts[f"sink {name}"] = partial(_sink, name, sink)
    answers = await asyncio.gather(*(_try(what, how) for what, how in attempts.items()))
    return [_without(answer, reading.hidden) for answer in answers]


async def _try(what: str, attempt: Callable[[], Awaitable[str]]) -> Answer:
    try:
        async with asyncio.timeout(PATIENCE):
            return Answer(what, detail=await attempt())
    except TimeoutError:
        return Answer(what, trouble=f"no answer within {PATIENCE:g} seconds")
    except DocklineError as error:
        return Answer(what, trouble=str(error))


async def _engine(config: EngineConfig, environ: Mapping[str, str]) -> str:
    engine = Engine(resolve(config.url, config.tls, environ))
    try:
        await engine.connect()
        return f"{engine.endpoint.url}, API {'.'.join(map(str, engine.api))}, host {engine.host}"
    finally:
        await engine.close()


async def _sink(name: str, config: SinkConfig) -> str:
    sink = component.implementation("sinks", config.type)(config, Context(name))
    try:
        await sink.open()
        return config.type
    finally:
        await sink.close()


def _without(answer: Answer, hidden: Mapping[str, str]) -> Answer:
    """The answer with `${...}` in the place of what it stands for."""
    trouble, detail = answer.trouble, answer.detail
    for value, written in sorted(hidden.items(), key=lambda pair: -len(pair[0])):
        trouble, detail = trouble.replace(value, written), detail.replace(value, written)
    return Answer(answer.what, detail, trouble)
