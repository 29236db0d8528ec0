"""Reads one container's log from its files, while they grow and are rotated, until its end.

Positions are the same as those of the API, so a log may be read in one way now and in the other
later.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from pipeline.accounting.checkpoint import Position
from pipeline.model.errors import EngineError, untraced
from pipeline.sources.docker.decode.rows import RowDecoder
from pipeline.sources.docker.discovery.container import FollowedContainer
from pipeline.sources.docker.engine.client import Engine
from pipeline.sources.docker.logs.container_state import ContainerState
from pipeline.sources.docker.logs.distributor import Distributor
from pipeline.sources.docker.logs.files.available import (
    Facts,
    NotReadable,
    Refusals,
    folder_of,
    read_facts,
)
from pipeline.sources.docker.logs.files.inotify import Inotify
from pipeline.sources.docker.logs.files.log_files import (
    MOMENT,
    TRIES,
    Compressed,
    LogFile,
    LogFiles,
    Lost,
)
from pipeline.sources.docker.logs.report import LogReport

DAMAGED = "the log is damaged"
"""Why lines may be missing, where a file has something that is not a row."""
ROTATED = "it may have been rotated away before it was first read"
"""Why lines may be missing at the beginning of a log."""
NO_LONGER = "its files no longer have the line read last"
"""Why lines may be missing, where the line at the position is not in the files any more."""
AGAIN = 1.0
"""Seconds until the Engine is asked again, when it did not answer."""
AHEAD = 16
"""How many blocks may be unsettled by the fastest sink before reading waits. Measured: W2 of the
benchmarks takes an eighth less CPU than with 8 MiB of blocks; with half as many, W1 takes a quarter
more time."""
LOOK, STANDS_STILL = 0.001, 0.05
"""Seconds between two looks at whether blocks were settled, and seconds to wait while none are.
Then reading goes on: a sink that is stuck is the business of its buffer."""


class FromFiles(NamedTuple):
    """What the readers of all containers share."""

    inotify: Inotify
    refusals: Refusals


class Begun(NamedTuple):
    """Where reading begins in the files."""

    found: bool = False
    """At the position's place. Else, before the position."""
    behind_more: bool = False
    """At the oldest row, where the whole log is wanted but older files may have been removed."""


class FileReader:
    """Reads one container's log from its files."""

    def __init__(
        self,
        engine: Engine,
        container: FollowedContainer,
        state: ContainerState,
        lines: Distributor,
        report: LogReport,
        shared: FromFiles,
        *,
        max_line: int,
    ) -> None:
        """`state` is told of the container's starts and end. `lines` takes the decoded lines, and
        knows the position. `max_line` is the number of bytes to which lines are cut.
        """
        self._engine = engine
        self._container = container
        self._id = container.facts.id
        self._state = state
        self._lines = lines
        self._batcher = lines.batcher
        self._report = report
        self._shared = shared
        self._max_line = max_line

    async def read(self) -> bool | None:
        """Reads from the position to the container's end.

        True at the end. False when it has to be called again, to begin again at the position. None
        when the log has to be read over the API; the reason was reported.
        """
        before = None
        try:
            while before != self._batcher.position:
                before = self._batcher.position
                with suppress(Lost):  # begins again, and finds out what is missing
                    return await self._read_on()
        except NotReadable as error:
            self._shared.refusals.note(self._container.facts.name, error)
            return None
        except OSError as error:
            self._report.trouble("file", f"its files cannot be read, so the API is used: {error}")
            return None
        return False

    async def _read_on(self) -> bool:
        files, folder = LogFiles(), folder_of(self._engine, self._id)
        try:
            decoder, begun = await self._open(files, folder)
            self._state.opened = self._state.starts
            following = _Following(
                files, decoder, self._state, self._lines, self._container, self._shared.inotify
            )
            following.watch_newest()  # it may be renamed before the Engine has answered
            try:
                if not await self._container.learn():
                    self._state.doubt()
                return await following.run(begun)
            finally:
                following.close()
        finally:
            files.close()

    async def _open(self, files: LogFiles, folder: Path) -> tuple[RowDecoder, Begun]:
        facts = await asyncio.to_thread(read_facts, folder)
        begun = await asyncio.to_thread(_begin, files, facts, self._batcher.position)
        one_time = self._engine.lines_have_one_time
        return RowDecoder(self._max_line, tty=facts.tty, one_time=one_time), begun


def _begin(files: LogFiles, facts: Facts, position: Position) -> Begun:
    with files.opening(facts.path):
        if position.place is not None and files.open_at(position.place):
            return Begun(found=True)
        if position.since and not position.skip:
            files.open_since(position.since.encode())
            return Begun()
        files.open_oldest()
        return Begun(behind_more=not position.since and files.are_all_of(facts.rotation))


class _Following:
    """The open files of a log, and the reading of them."""

    def __init__(
        self,
        files: LogFiles,
        decoder: RowDecoder,
        state: ContainerState,
        lines: Distributor,
        container: FollowedContainer,
        inotify: Inotify,
    ) -> None:
        self._files = files
        self._decoder = decoder
        self._state = state
        self._lines = lines
        self._batcher = lines.batcher
        self._container = container
        self._inotify = inotify
        self._watched: LogFile | None = None
        self._watch = -1
        self._renamings = 0
        self._lost: Lost | OSError | None = None
        """Why the files cannot be followed beyond those that are open."""
        self._blocks = self._arrived = 0
        """Blocks that were handed out, and those of them that were settled at the last look."""
        self._moved = 0.0
        """When a block was last settled, by the event loop's clock."""
        self._ask_at = 0.0
        """The Engine is not asked before this time, by the event loop's clock."""
        self._started = ""
        """When the run began that has ended, as the Engine writes it."""

    def close(self) -> None:
        """Stops watching the files."""
        if self._watched is not None:
            self._inotify.forget(self._watch, self._told)
            self._watched = None

    async def run(self, begun: Begun) -> bool:
        """Reads until the container's end. Raises `Lost` and `OSError`."""
        state = self._state
        self._begin(found=begun.found)
        if begun.behind_more:
            self._batcher.missing = ROTATED
        while True:
            state.forget_news()
            self.watch_newest()
            size = await self._read_to_end()
            self._look()
            if self._files.more or self._inotify.was_read(self._watch, size):
                continue
            starts = state.starts
            if state.doubted and await self._has_ended():
                await self._read_to_end()
                if self._files.more or starts != state.starts:
                    continue
                return await self._finish()
            if not state.doubted:
                await state.until_news()

    def _begin(self, *, found: bool) -> None:
        batcher, current = self._batcher, self._files.current
        if found:
            batcher.resume_at_place(NO_LONGER)
        else:
            position = batcher.position
            batcher.resume(NO_LONGER, from_before=bool(position.since or position.skip))
        self._decoder.begin_file(current.inode, current.offset, current.before)

    # ------------------------------------------------------------------------- reading

    async def _read_to_end(self) -> int:
        """Reads all that is in the open files now. Returns how many bytes that were."""
        files, size = self._files, 0
        while True:
            more = files.more
            data = await self._next_block()
            if data:
                size += len(data)
                await self._feed(data)
                to_its_end = not files.current.may_have_more(data)
                if to_its_end and not (self._is_alone or self._is_behind):
                    self._blocks += 1
                    break  # what is written from now on is told
                await self._let_sinks_work()
            elif more:
                files.advance()
                self._decoder.begin_file(files.current.inode)
                if self._decoder.damaged:
                    self._batcher.missing = DAMAGED
                self._look()
                self.watch_newest()
            elif self._lost is not None:
                try:
                    raise self._lost
                finally:
                    self._lost = None  # else its traceback and this frame refer to each other
            else:
                break
        if self._decoder.completed:
            await self._lines.take_rest(whole=True)
        return size

    @property
    def _is_alone(self) -> bool:
        """Whether the file is read again at once, which costs less than waiting for its event."""
        return self._inotify.is_alone(self._watch)

    @property
    def _is_behind(self) -> bool:
        """Whether there are newer files, or some that were lost."""
        return self._files.more or self._lost is not None

    async def _let_sinks_work(self) -> None:
        """Lets other tasks run, the sinks above all. A file can wait, and lines that are encoded
        right after they were read are still in the processor's caches.
        """
        await asyncio.sleep(0)
        now = asyncio.get_running_loop().time
        self._blocks += 1
        while True:
            unsettled = self._container.unsettled
            if unsettled <= AHEAD or self._blocks - unsettled > self._arrived:
                self._arrived, self._moved = self._blocks - unsettled, now()
            if unsettled <= AHEAD or now() - self._moved > STANDS_STILL:
                break
            await asyncio.sleep(LOOK)

    async def _next_block(self) -> bytes:
        current = self._files.current
        data = current.read_cached()
        if data is None:
            try:
                data = await asyncio.to_thread(current.read)
            except OSError as error:
                if not isinstance(current, Compressed):
                    raise
                self._batcher.missing = str(error.strerror)
                data = b""
        return data

    async def _feed(self, data: bytes) -> None:
        while True:
            await self._lines.take(self._decoder.feed(data))
            if not self._decoder.damaged:
                break
            self._batcher.missing, data = DAMAGED, b""

    # ---------------------------------------------------------------- growth and rotation

    def _told(self, renamed: bool) -> None:
        """Called by inotify."""
        if renamed:
            self._look()
        self._state.tell()

    def _look(self) -> None:
        """Looks for newer files, even while this one waits for its sinks: they may be removed
        soon.
        """
        try:
            settled = self._files.look()
        except (Lost, OSError) as error:
            self._lost = untraced(error)
            self._state.tell()
            return
        if settled:
            self._renamings = 0
            if self._files.newest is not self._watched:
                self.watch_newest()
                self._state.tell()
        elif self._renamings < TRIES:  # after that, wait for inotify
            self._renamings += 1
            asyncio.get_running_loop().call_later(MOMENT, self._look_again)

    def _look_again(self) -> None:
        if self._watched is not None:
            self._look()

    def watch_newest(self) -> None:
        """Watches the newest file, so that its rotation is noticed."""
        newest = self._files.newest
        if newest is self._watched or isinstance(newest, Compressed):
            return
        self.close()
        self._watched = newest
        self._watch = self._inotify.watch(newest.descriptor, self._told)

    async def _has_ended(self) -> bool:
        loop, state = asyncio.get_running_loop(), self._state
        if (wait := self._ask_at - loop.time()) > 0:
            await state.until_news(wait)
            return False
        try:
            found = await state.ask()
        except EngineError:
            # The files can be read without the Engine, and the container may still be running.

            state.doubted = True
            self._ask_at = loop.time() + AGAIN
            return False
        self._started = found.started
        return found.ended

    async def _finish(self) -> bool:
        decoder, lines = self._decoder, self._lines
        if decoder.torn or self._batcher.missing:
            await lines.end_with_gap(DAMAGED)
        await lines.take_unfinished(decoder.flush())
        self._batcher.end(self._started)
        return True
