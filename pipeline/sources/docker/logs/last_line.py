"""Asks the Engine for the time of a line near a log's end, which costs dockerd next to nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from pipeline.sources.docker.decode.frames import new_decoder
from pipeline.sources.docker.engine.client import Engine

MOST_OF_LINE = 1 << 16
"""Bytes to which a line is cut, of which only the time is wanted."""

TRIES = 8
"""How many times to ask. dockerd takes lines before a damaged place and the error from two queues
in any order: a line close before the damage comes in one reading of two, and so does the error
(measured)."""

FirstTime = Callable[[int], Awaitable[bytes | None]]
"""Called with N, returns the time of the first of the log's last N lines, as in `Batch.times`.
Empty when there are none; None when that line cannot be read or has no time. Raises `EngineError`,
`FrameError` and `OSError`."""


def first_time(engine: Engine, container_id: str) -> FirstTime:
    """Returns a function that asks the Engine for such times in a container's log."""

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
