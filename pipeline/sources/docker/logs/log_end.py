"""The end of a log that nobody follows, for the event of its container's end."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from contextlib import suppress

from pipeline.model.errors import EngineError
from pipeline.sources.docker.decode.frames import FrameError, new_decoder
from pipeline.sources.docker.discovery.last_lines import LONGEST, LastLines
from pipeline.sources.docker.engine.client import Engine
from pipeline.sources.docker.engine.stream import ByteStream

PIECES = 64
"""In which a line of 1 MiB is kept; the Engine's `tail` counts pieces."""


class LogEnd:
    """Reads the end of a log that nobody else reads."""

    def __init__(self, engine: Engine, container_id: str, most: int) -> None:
        self.lines = LastLines(most)
        self.has_ended = asyncio.Event()
        """The log was read as far as it went when the container ended."""
        self.is_readable = False
        self._engine = engine
        self._id = container_id

    async def read(self, until: bytes = b"") -> None:
        """To the container's end, which was at `until` where it has ended: what is newer is of
        another run of it. Raises nothing that the Engine or the network can be the cause of."""
        with suppress(EngineError, FrameError, OSError):
            tail = str(self.lines.most + PIECES)
            stream = await self._engine.logs(
                self._id, stdout="1", stderr="1", timestamps="1", follow="1", tail=tail
            )
            self.is_readable = True
            try:
                await self._read(stream, until)
            finally:
                stream.close()

    async def _read(self, stream: ByteStream, until: bytes) -> None:
        data, decoder = await stream.read(), None
        while data:
            decoder = decoder or new_decoder(
                data,
                LONGEST,
                podman=self._engine.podman,
                one_time=self._engine.lines_have_one_time,
            )
            columns = decoder.feed(data)
            count = bisect_right(columns.times, until) if until else len(columns.times)
            self.lines.add(columns.times[:count], columns.lines[:count])
            if count < len(columns.times):
                break
            data = await stream.read()
        else:
            if decoder is not None:
                columns = decoder.flush()
                self.lines.add(columns.times, columns.lines)
        self.has_ended.set()
