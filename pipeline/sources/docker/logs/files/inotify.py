"""Tells when log files have grown or were renamed, by inotify and in batches.

Each row that dockerd writes makes an event: 100,000 per second where 500 containers write 200 lines
each. So events are read in bulk, and then not for a moment, which is longer the more files had
some: by then there are several lines to read in each. The first event after a pause is told at
once.

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
from collections.abc import Callable

log = logging.getLogger(__name__)

IN_MODIFY, IN_MOVE_SELF, IN_Q_OVERFLOW = 0x2, 0x800, 0x4000
IN_NONBLOCK, IN_CLOEXEC = os.O_NONBLOCK, os.O_CLOEXEC

SHORTEST = 0.002
"""Shortest pause, in seconds, after events were read."""
PER_FILE = 0.0004
"""Seconds of pause for each file that had events. Looking at a file costs a quarter of that."""
LONGEST = 0.25
"""Longest pause, in seconds, after events were read."""
SWEEP = 5.0
"""Seconds between two looks at all files, whether inotify reports them or not."""
UNWATCHED = 0.1
"""Seconds between two looks at files that inotify cannot watch."""

Told = Callable[[bool], None]
"""Called when a file has grown or was renamed. The argument is whether it was, or may have been,
renamed."""


class Inotify:
    """Watches the log files of one source. `watch` may be called while `run` runs."""

    def __init__(self) -> None:
        self._told: dict[int, Told] = {}
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
        name = f"/proc/self/fd/{descriptor}".encode()
        mask = IN_MODIFY | IN_MOVE_SELF
        watch = -1
        if self._descriptor >= 0:
            watch = int(self._libc.inotify_add_watch(self._descriptor, name, mask))
            if watch < 0:
                self._cannot("another watch", ctypes.get_errno())
        if watch < 0:
            self._unwatched.add(told)
        else:
            self._told[watch] = told
        return watch

    def forget(self, watch: int, told: Told) -> None:
        """Stops watching a file, with what `watch` was given and returned. May be called twice."""
        self._unwatched.discard(told)
        if self._told.get(watch) == told:
            del self._told[watch]
            if self._descriptor >= 0:
                self._libc.inotify_rm_watch(self._descriptor, watch)

    def _tell_all(self) -> None:
        for told in list(self._told.values()):
            told(True)

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
            elif (told := self._told.get(watch)) is not None:
                told(bool(mask & IN_MOVE_SELF))
        self._rest(min(LONGEST, max(SHORTEST, PER_FILE * len(masks))))

    def _rest(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._descriptor)
        loop.call_later(seconds, self._listen, self._descriptor)

    def _listen(self, descriptor: int) -> None:
        if self._descriptor == descriptor:
            asyncio.get_running_loop().add_reader(descriptor, self._ready)
