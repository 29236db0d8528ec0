"""Reads the end of a log that nothing else reads, for the event of its container's end."""

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
"""Pieces in which a line of 1 MiB is kept. The Engine's `tail` counts pieces, not lines."""


class LogEnd:
    """The last lines of a log, read from the Engine."""

    def __init__(self, engine: Engine, container_id: str, most: int) -> None:
        """`most` is how many lines are kept."""
        self.lines = LastLines(most)
        """The last lines read so far."""
        self.has_ended = asyncio.Event()
        """Set when the log was read as far as it went when the container ended."""
        self.is_readable = False
        """Whether the Engine has opened the log."""
        self._engine = engine
        self._id = container_id

    async def read(self, until: bytes = b"") -> None:
        """Follows the log until the container ends.

        `until` is the time of its end, when it has ended already: newer lines are of another run.
        Errors of the Engine and the network are ignored.
        """
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
