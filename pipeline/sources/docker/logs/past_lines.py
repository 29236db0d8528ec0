"""Reads older lines of a container's log from the Engine, for somebody who looks.

The Engine can't read backwards from a time: `tail` counts from the end of the log, whatever `until`
says, and with `since` dockerd scans the log from its beginning. So lines before a time are looked
for near the end first, by `tail`, which costs dockerd next to nothing. Where they are further back,
they are read in windows of time, each before the one that was read last, and longer. Each window is
a scan, which takes dockerd some 4 s for a million lines, so there are few and wide ones.

dockerd includes the first line at or after `since` and all that follow, up to the first line after
`until`. So windows that touch have each line once, though lines of the two streams may stand in
another order than their times.

This opens streams of its own, and does nothing to the container's reader.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pipeline.model.timestamps import from_nanoseconds, nanoseconds, split_timestamp
from pipeline.sources.docker.decode.decoded import DecodedLines
from pipeline.sources.docker.decode.frames import Decoder, new_decoder
from pipeline.sources.docker.engine.client import Engine
from pipeline.sources.docker.logs import kept_lines
from pipeline.sources.docker.logs.api_reader import DAEMON_SAYS
from pipeline.sources.docker.logs.kept_lines import Line, Newest, Sample, fitting
from pipeline.support.selector import Pause

MOST_LINES: Final = 500
"""Lines that are returned at once."""
MOST_OF_LINE: Final = 64 << 10
"""Bytes to which a line is cut."""
MOST_READ: Final = 32 << 20
"""Bytes that are read from the Engine for one look."""
SECONDS: Final = 5.0
"""Seconds that one look may take. dockerd scans some 100 MB of a log in a second."""
OF_A_WINDOW: Final = 8 << 20
"""Bytes of a window, or of a tail. A window with more is begun again, much shorter."""
WINDOW: Final = 10 * 10**9
"""Nanoseconds of the first window."""
LONGER: Final = 4
SHORTER: Final = 100
"""How much longer each window is than the one before, and how much shorter after one with too
many bytes."""
LATEST: Final = 253_402_300_799 * 10**9
"""The last second of the year 9999, in nanoseconds since the epoch. Times end there."""
AT_ONCE: Final = 64 << 10
"""Bytes that are decoded before the event loop gets a turn: 2 ms, however short the lines are."""
PIECES: Final = 64
"""Lines of a tail beside those that are wanted: dockerd counts the pieces of long lines."""
TAILS: Final = (1, LONGER, LONGER**2, LONGER**3)
"""How much longer each tail is than the first one."""


@dataclass(frozen=True)
class Found:
    """What a look has found."""

    lines: Sequence[Line] = ()
    """In the order of the log."""
    more: bool = False
    """Whether there may be more in the direction of the look, or between its ends."""
    note: str = ""
    """What is to be said about it, in a sentence; empty for nothing."""


Take = Callable[[Sequence[Line]], bool]
"""Called with the next lines of a stream; returns whether to go on."""


class _EnoughError(Exception):
    """`MOST_READ` bytes have been read."""


class PastLines:
    """One look into a container's log. Use it once.

    Its methods raise `NotFound`, `Unreadable`, `EngineError`, `FrameError` and `OSError`. A
    cancelled one closes its stream.
    """

    def __init__(self, engine: Engine, container_id: str) -> None:
        """`engine` is connected. `container_id`: all 64 digits."""
        self.read = 0
        """Bytes that were read from the Engine."""
        self._engine = engine
        self._id = container_id
        self._trouble = ""
        self._note = ""

    # ------------------------------------------------------------------------------ looks

    async def before(self, end: int, limit: int) -> Found:
        """The last `limit` lines before a time: nanoseconds since the epoch."""
        kept: list[Line] = []
        more = True
        if limit < 1:
            return Found(more=more)
        if end <= 1:
            return Found()  # for the Engine, 0 stands for no limit

        async def look() -> None:
            nonlocal more
            if (near := await self._near_the_end(end, limit)) is not None:
                kept[:], more = near
            else:
                more = await self._by_windows(end, limit, kept)

        if not await self._within_bounds(look):
            if kept:  # a short page, and there are more
                self._trouble = ""
            else:
                self._note = self._note or "older lines are further back than could be read"
        lines, cut = fitting(reversed(kept))
        lines.reverse()
        return Found(lines, more or cut, self._said)

    async def after(self, start: int, limit: int) -> Found:
        """The first `limit` lines at or after a time: nanoseconds since the epoch."""
        kept: list[Line] = []
        if start > LATEST:
            return Found()

        def take(lines: Sequence[Line]) -> bool:
            kept.extend(line for line in lines if line.time >= earliest)
            return (
                len(kept) <= limit
                and sum(len(line.text) for line in kept) <= kept_lines.MOST_RETURNED
            )

        earliest, ended = from_nanoseconds(start), False

        async def look() -> None:
            nonlocal ended
            ended = await self._stream(take, MOST_READ, since=_seconds(start))

        await self._within_bounds(look)
        lines, cut = fitting(kept[:limit])
        return Found(lines, cut or not ended or len(kept) > limit, self._said)

    async def between(self, start: int, end: int, limit: int) -> Found:
        """Lines from `start` up to but not including `end` (nanoseconds since the epoch).

        If there are more than `limit`, one in so many, evenly.
        """
        if end <= max(start, 1):
            return Found()
        sample = Sample(limit)
        latest = from_nanoseconds(end)

        def take(lines: Sequence[Line]) -> bool:
            sample.add([line for line in lines if line.time < latest])
            return True

        async def look() -> None:
            await self._stream(take, MOST_READ, since=_seconds(start), until=_seconds(end - 1))

        whole = await self._within_bounds(look)
        if not whole and sample.lines:
            until = sample.newest.decode()
            self._note = f"this is what could be read, up to {until}"
        if sample.one_in > 1:
            of = f"1 in {sample.one_in} of {sample.count:,} lines"
            self._note = f"{of}; {self._note}" if self._note else of
        return Found(sample.lines, not whole or sample.one_in > 1, self._said)

    async def around(self, moment: int, limit: int) -> tuple[Found, Found]:
        """Half of `limit` lines before a time, and the other half at or after it."""
        older = await self.before(moment, limit // 2)
        newer = PastLines(self._engine, self._id)
        return older, await newer.after(moment, limit - limit // 2)

    # --------------------------------------------------------------------------- backwards

    async def _near_the_end(self, end: int, limit: int) -> tuple[list[Line], bool] | None:
        """The last lines before `end`, and whether there are older ones; None if they are not near
        the log's end."""
        before: tuple[bytes, int] | None = None
        for times in TAILS:
            newest, read = Newest(end, limit + 1), self.read
            tail, until = str((limit + PIECES) * times), _seconds(end - 1)
            if not await self._stream(newest.take, OF_A_WINDOW, tail=tail, until=until):
                return None
            if newest.count > limit or newest.overflows:
                return newest.without_torn(limit), True
            if newest.count and before == (newest.first, newest.count):
                return list(newest.lines), False  # a longer tail has no more: that is all of it
            before = newest.first, newest.count
            size = self.read - read
            if newest.count > 1 and size * LONGER > OF_A_WINDOW:  # these lines are long
                return newest.without_torn(limit), True
        return None

    async def _by_windows(self, end: int, limit: int, kept: list[Line]) -> bool:
        """Puts the last lines before `end` into `kept`. Returns whether there may be older ones."""
        created, width = await self._created(), WINDOW
        end = min(end, await self._behind_all())
        while True:
            start, read = max(end - width, created, 0), self.read
            newest = Newest(end, limit - len(kept))
            if end > start and not await self._stream(
                newest.take, OF_A_WINDOW, since=_seconds(start), until=_seconds(end - 1)
            ):
                reached = nanoseconds(newest.last) if newest.last else start
                width = max(min(width // SHORTER, end - reached), 1)
                continue
            kept[:0] = newest.lines
            if start <= max(created, 0):
                return newest.overflows
            size = sum(len(line.text) for line in kept)
            if len(kept) >= limit or newest.overflows or size > kept_lines.MOST_RETURNED:
                return True
            if kept and (self.read - read) * LONGER > OF_A_WINDOW:
                return True  # the next window would have too many bytes
            end, width = start, width * LONGER

    async def _behind_all(self) -> int:
        """A time after that of the log's last line."""
        last = Newest(LATEST, 1)
        await self._stream(last.take, OF_A_WINDOW, tail="1")
        return nanoseconds(last.last) + 1 if last.last else 0

    async def _created(self) -> int:
        """When the container was created: no line is older."""
        answer = await self._engine.get(f"/containers/{self._id}/json")
        created, _ = split_timestamp(str(answer.get("Created", "")).encode())
        try:
            return nanoseconds(created) if created else 0
        except ValueError:
            return 0

    # --------------------------------------------------------------------------- streams

    async def _within_bounds(self, look: Callable[[], Any]) -> bool:
        """Looks; False if that was ended by a bound, which is noted."""
        try:
            async with asyncio.timeout(SECONDS):
                await look()
        except TimeoutError:
            self._trouble = f"the Engine took more than {SECONDS:g} s to read this log"
            return False
        except _EnoughError:
            self._trouble = f"{MOST_READ >> 20} MiB of this log were read"
            return False
        return True

    @property
    def _said(self) -> str:
        return "; ".join(filter(None, (self._trouble, self._note)))

    async def _stream(self, take: Take, most: int, **parameters: str) -> bool:
        """Reads a stream. Returns False if it has more than `most` bytes, or `take` wants no more.

        Raises `_EnoughError` when `MOST_READ` bytes have been read in all.
        """
        stream = await self._engine.logs(
            self._id, stdout="1", stderr="1", timestamps="1", **parameters
        )
        pause, read = Pause(), 0
        decoder: Decoder | None = None
        try:
            while data := await stream.read():
                read += len(data)
                self.read += len(data)
                decoder = decoder or self._decoder(data)
                for start in range(0, len(data), AT_ONCE):
                    decoded = decoder.feed(data[start : start + AT_ONCE])
                    if not take(self._lines(decoded, decoder.errors())):
                        return False
                    await pause()
                if self.read > MOST_READ:
                    raise _EnoughError
                if read > most:
                    return False
            if decoder is not None:
                take(self._lines(decoder.flush(), decoder.errors()))
            return True
        finally:
            stream.close()

    def _decoder(self, first: bytes) -> Decoder:
        engine = self._engine
        return new_decoder(
            first, MOST_OF_LINE, podman=engine.podman, one_time=engine.lines_have_one_time
        )

    def _lines(self, decoded: DecodedLines, errors: Sequence[bytes]) -> list[Line]:
        """The lines that have a time. What dockerd says itself is noted."""
        cut = frozenset(decoded.truncated)
        columns = zip(decoded.times, decoded.streams, decoded.lines, strict=True)
        lines = [Line(*row, index in cut) for index, row in enumerate(columns)]
        said = [*errors, *(one.text for one in lines if not one.time)]
        for text in said:
            if text.startswith(DAEMON_SAYS) or errors:
                self._note = f"the Engine reports: {text[:300].decode('utf-8', 'replace')}"
        return [line for line in lines if line.time] if said else lines


def _seconds(time: int) -> str:
    """Nanoseconds since the epoch as the Engine's `since` and `until` have them."""
    seconds, rest = divmod(max(time, 0), 10**9)
    return f"{seconds}.{rest:09d}"
