"""A look at one line near a log's end, which costs dockerd next to nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from pipeline.sources.docker.decode.frames import new_decoder
from pipeline.sources.docker.engine.client import Engine

MOST_OF_LINE = 1 << 16
"""Bytes kept of a line of which only the time is wanted."""

TRIES = 8
"""dockerd has the lines before a damaged place and the error in two queues, and takes from either
as it comes: a line close before such a place comes in one reading of two, and so does the error
(measured)."""

FirstTime = Callable[[int], Awaitable[bytes | None]]
"""The time of the first of the log's last N lines; empty where there are none, None where that
line cannot be read, or has no time."""


def first_time(engine: Engine, container_id: str) -> FirstTime:
    """Asks the Engine."""

    async def ask(lines: int) -> bytes | None:
        is_readable = True
        for _ in range(TRIES):
            if time := await _ask(engine, container_id, lines):
                return time
            is_readable = is_readable and time is not None
        return b"" if is_readable else None

    return ask


async def _ask(engine: Engine, container_id: str, lines: int) -> bytes | None:
    stream = await engine.logs(
        container_id, stdout="1", stderr="1", timestamps="1", tail=str(lines)
    )
    try:
        data = await stream.read()
        if not data:
            return b""
        decoder = new_decoder(
            data, MOST_OF_LINE, podman=engine.podman, one_time=engine.lines_have_one_time
        )
        while data:
            decoded = decoder.feed(data)
            times = decoded.times + [line.time for line in decoded.open[:1]]
            if times or decoder.errors():
                return (times[0] or None) if times else None
            data = await stream.read()
        return b""
    finally:
        stream.close()
