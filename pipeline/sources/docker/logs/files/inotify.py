"""Tells when log files have grown or were renamed, by inotify and in batches.

Each row that dockerd writes makes an event: 100,000 per second where 500 containers write 200 lines
each. So events are read in bulk, and then not for a moment, which is longer the more files had
some: by then there are several lines to read in each. The first event after a pause is told at
once.

Where several files grow, one that was just read and had little rests: its growth is not told
until the rest is over, and makes no event. Files that rest are told together. A file that is
renamed is told at once, and so is one that was silent for a while.

inotify is called through ctypes: the libraries make an object of each event, which costs more than
reading the line. https://man7.org/linux/man-pages/man7/inotify.7.html
"""

from __future__ import annotations

import array
import asyncio
import ctypes
import errno
import logging
import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from pipeline.support.small_reads import SmallReads

log = logging.getLogger(__name__)

IN_MODIFY, IN_MOVE_SELF, IN_Q_OVERFLOW = 0x2, 0x800, 0x4000
IN_NONBLOCK, IN_CLOEXEC = os.O_NONBLOCK, os.O_CLOEXEC

SHORTEST = 0.002
"""Shortest pause, in seconds, after events were read."""
PER_FILE = 0.0004
"""Seconds of pause for each file that had events. Looking at a file costs a quarter of that."""
LONGEST = 0.25
"""Longest pause, in seconds, after events were read."""
SMALL = 1 << 16
"""A read of fewer bytes is small: some hundred lines. What a read costs is little beside them."""
SMALL_READS = 125
"""Limit of small reads per second, for all files together: ten files rest for 80 ms, fifty for
400 ms."""
LONGEST_REST = 0.5
"""Longest rest in seconds: each of however many files is read twice a second."""
TOGETHER = 16
"""Files that are told in one turn of the event loop, when they have rested: so those whose events
come meanwhile need not wait for all of them to be read."""
SWEEP = 5.0
"""Seconds between two looks at all files, whether inotify reports them or not."""
UNWATCHED = 0.1
"""Seconds between two looks at files that inotify cannot watch."""

Told = Callable[[bool], None]
"""Called when a file has grown or was renamed. The argument is whether it was, or may have been,
renamed."""


@dataclass(slots=True, eq=False)
class _Watched:
    """A file that inotify watches."""

    descriptor: int
    told: Told
    read_at: float = 0.0
    """When it was last read, by the event loop's clock."""
    is_heard: bool = True
    """Whether its growth makes events."""


class Inotify:
    """Watches the log files of one source. `watch` may be called while `run` runs."""

    def __init__(self) -> None:
        self._watched: dict[int, _Watched] = {}
        self._resting: dict[int, _Watched] = {}
        self._end_of_rest: asyncio.TimerHandle | None = None
        self._small_reads = SmallReads(SMALL_READS, LONGEST_REST)
        self._last_read: _Watched | None = None
        self._unwatched: set[Told] = set()
        self._descriptor = -1
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._said = False

    async def run(self) -> None:
        """Tells of changes until it is cancelled."""
        loop = asyncio.get_running_loop()
        self._open()
        try:
            swept = loop.time()
            while True:
                await asyncio.sleep(UNWATCHED if self._unwatched else SWEEP)
                for told in list(self._unwatched):
                    told(True)
                if loop.time() - swept >= SWEEP:
                    swept = loop.time()
                    self._tell_all()
        finally:
            self._close()

    def _open(self) -> None:
        self._descriptor = self._libc.inotify_init1(IN_NONBLOCK | IN_CLOEXEC)
        if self._descriptor < 0:
            self._cannot("an inotify instance", ctypes.get_errno())
            return
        asyncio.get_running_loop().add_reader(self._descriptor, self._ready)

    def _close(self) -> None:
        if self._end_of_rest is not None:
            self._end_of_rest.cancel()
        if self._descriptor >= 0:
            asyncio.get_running_loop().remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1

    def _cannot(self, what: str, error: int) -> None:
        if self._said:
            return
        self._said = True
        log.warning(
            "log files are polled every %g s, because the kernel does not give %s (%s): raise the "
            "sysctl fs.inotify.max_user_instances or max_user_watches",
            UNWATCHED,
            what,
            os.strerror(error),
        )

    def watch(self, descriptor: int, told: Told) -> int:
        """Calls `told` whenever the open file grows or is renamed.

        Returns a number for `forget`. A file that inotify cannot watch is polled instead.
        """
        watch = self._add(descriptor, IN_MODIFY | IN_MOVE_SELF)
        if watch < 0:
            self._unwatched.add(told)
        else:
            self._watched[watch] = _Watched(descriptor, told)
        return watch

    def _add(self, descriptor: int, mask: int) -> int:
        """Watches the open file, or changes what is watched for. Negative if the kernel cannot."""
        if self._descriptor < 0:
            return -1
        name = f"/proc/self/fd/{descriptor}".encode()
        watch = int(self._libc.inotify_add_watch(self._descriptor, name, mask))
        if watch < 0:
            self._cannot("another watch", ctypes.get_errno())
        return watch

    def forget(self, watch: int, told: Told) -> None:
        """Stops watching a file, with what `watch` was given and returned. May be called twice."""
        self._unwatched.discard(told)
        one = self._watched.get(watch)
        if one is not None and one.told == told:
            del self._watched[watch]
            self._resting.pop(watch, None)
            if self._last_read is one:
                self._last_read = None
            if self._descriptor >= 0:
                self._libc.inotify_rm_watch(self._descriptor, watch)

    # ---------------------------------------------------------------------------- rests

    def is_alone(self, watch: int) -> bool:
        """Whether no other file than the one with this number has grown since it was last read."""
        one = self._watched.get(watch)
        return one is not None and one.is_heard and self._last_read is one and not self._resting

    def was_read(self, watch: int, size: int) -> bool:
        """Says that a file was read to its end, and how many bytes that gave; 0 if there was
        nothing to read. It may rest now. Returns whether to read it once more.

        `watch` is what `watch` returned.
        """
        one = self._watched.get(watch)
        if one is None or watch in self._resting:
            return False
        rest = self._rest_after(one, size) if size else 0.0
        if rest:
            self._resting[watch] = one
            self._hear(one, growth=False)
            if self._end_of_rest is None:
                loop = asyncio.get_running_loop()
                self._end_of_rest = loop.call_later(rest, self._rested)
            return False
        if one.is_heard:
            return False
        self._hear(one, growth=True)
        return True  # it may have grown before it was heard again

    def _rest_after(self, one: _Watched, size: int) -> float:
        now = asyncio.get_running_loop().time()
        since, one.read_at = now - one.read_at, now
        others, self._last_read = self._last_read is not one, one
        if size >= SMALL or not (others or self._resting):
            return 0.0
        rest = self._small_reads.read(now)
        was_silent = one.is_heard and since > LONGEST_REST
        return 0.0 if was_silent else rest

    def _hear(self, one: _Watched, *, growth: bool) -> None:
        if one.is_heard is growth:
            return
        one.is_heard = growth
        mask = IN_MOVE_SELF | (IN_MODIFY if growth else 0)
        if self._add(one.descriptor, mask) < 0:
            self._unwatched.add(one.told)

    def _rested(self) -> None:
        self._end_of_rest = None
        rested, self._resting = self._resting, {}
        self._tell_on(deque(rested.items()))

    def _tell_on(self, rested: deque[tuple[int, _Watched]]) -> None:
        for _ in range(min(TOGETHER, len(rested))):
            watch, one = rested.popleft()
            if self._watched.get(watch) is one:
                one.told(False)
        if rested:
            asyncio.get_running_loop().call_soon(self._tell_on, rested)

    # --------------------------------------------------------------------------- events

    def _tell_all(self) -> None:
        for one in list(self._watched.values()):
            one.told(True)

    def _ready(self) -> None:
        events = array.array("i")
        try:
            events.frombytes(os.read(self._descriptor, 1 << 16))
        except OSError as error:
            if error.errno != errno.EAGAIN:
                raise
        masks: dict[int, int] = {}
        for watch, mask in set(zip(events[0::4], events[1::4], strict=True)):
            masks[watch] = masks.get(watch, 0) | mask
        for watch, mask in masks.items():
            if mask & IN_Q_OVERFLOW:
                self._tell_all()
            elif (one := self._watched.get(watch)) is None:
                continue
            elif mask & IN_MOVE_SELF or watch not in self._resting:
                one.told(bool(mask & IN_MOVE_SELF))
        self._pause(min(LONGEST, max(SHORTEST, PER_FILE * len(masks))))

    def _pause(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._descriptor)
        loop.call_later(seconds, self._listen, self._descriptor)

    def _listen(self, descriptor: int) -> None:
        if self._descriptor == descriptor:
            asyncio.get_running_loop().add_reader(descriptor, self._ready)
