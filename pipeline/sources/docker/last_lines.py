"""The last lines of one container, for the event of its end.

Where a route takes its log, they are those that were read. Where none does, the Engine is asked
for them when the container ends. Of one that is removed as it ends (`docker run --rm`) there would
be no log by then, so the log of such a one is followed as long as it runs.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress

from pipeline.batch import Batch
from pipeline.errors import EngineError
from pipeline.sources.docker.engine import Engine
from pipeline.sources.docker.frames import FrameError, new_decoder
from pipeline.sources.docker.stream import ByteStream

LONGEST = 1024
"""Bytes of a last line that are told."""
PIECES = 64
"""In which a line of 1 MiB is kept; the Engine's `tail` counts pieces."""
WHOLE_SECOND = b".000000000Z"
"""How a time ends that Podman has cut."""


class LastLines:
    """The last lines of one container that were read. Per batch, not per line."""

    __slots__ = ("_rows", "most")

    def __init__(self, most: int) -> None:
        self.most = most
        self._rows: deque[tuple[bytes, bytes]] = deque(maxlen=most)

    def note(self, batch: Batch) -> None:
        self.add(batch.times, batch.lines)

    def add(self, times: list[bytes], lines: list[bytes]) -> None:
        if most := self.most:
            self._rows.extend(zip(times[-most:], _cut(lines[-most:]), strict=True))

    def between(self, since: bytes, until: bytes) -> Iterator[bytes]:
        """Those of one run of the container, from the end of the one before it: the Engine tells of
        a start when the first lines may have been written already."""
        for time, line in self._rows:
            if (since[:19] if time.endswith(WHOLE_SECOND) else since) < time <= until:
                yield line


def _cut(lines: Iterable[bytes]) -> list[bytes]:
    return [line if len(line) <= LONGEST else line[:LONGEST] for line in lines]


class LastLinesOfLog:
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
