"""What has changed since a state was saved, appended to a file as it happens.

A state that is replaced as a whole and fsynced cannot be saved with every payload. Its changes can:
they are written without fsync, so they outlive the process, and a machine that crashes is left with
the state as it was saved last.

    journal.12      changes made since the 12th state was begun, or a little before
    journal.13

Each line is a CRC-32 and a change as JSON. A change says how many there were before it, which tells
those that a saved state has already from those that it has not.
"""

from __future__ import annotations

import errno
import logging
import os
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from threading import Thread

from pipeline.support.rate_limit import RateLimit

log = logging.getLogger(__name__)

LARGEST = 16 << 20
"""Bytes of a file, which lasts for as long as no state can be saved."""

PAUSE = 0.01
"""Seconds between two writes: what the end of the process may cost."""


class Journal:
    """Notes keys of what has changed; a thread of its own asks for their changes and writes them.

    Noting never waits. A disk that hangs holds up nobody: what has changed meanwhile is a set of
    keys.
    """

    def __init__(self, folder: Path, change_of: Callable[[str], bytes]) -> None:
        """`change_of` is called in the thread, for what the state of a key is now."""
        self._folder = folder
        self._change_of = change_of
        self._keys: dict[str, None] = {}
        self._calls: SimpleQueue[bool] = SimpleQueue()
        """To the thread: there is something to write; False is the end."""
        self._called = False
        self._thread = Thread(target=self._run, name="journal", daemon=True)
        self._generation = 0
        self._file: tuple[int, int] | None = None
        """Generation and descriptor."""
        self._failures = RateLimit()

    def read(self) -> Iterator[bytes]:
        """The changes that were written, in order, without those that are torn or damaged. Before
        `start`, so that it goes on behind them. Raises `OSError`."""
        for generation, path in self._files():
            self._generation = max(self._generation, generation)
            for line in path.read_bytes().splitlines(keepends=True):
                crc, _, change = line.partition(b" ")
                if line.endswith(b"\n") and crc == b"%08x" % zlib.crc32(change[:-1]):
                    yield change[:-1]

    def start(self) -> None:
        """Starts the thread; what is noted before is written then. May block."""
        self._generation += 1
        self._thread.start()

    def begin(self) -> int:
        """What is noted from now on goes to a new file; its number."""
        self._generation += 1
        return self._generation

    def remove_before(self, generation: int) -> None:
        """Removes older files: a saved state has what is in them. May block. Raises `OSError`."""
        for number, path in self._files():
            if number < generation:
                path.unlink(missing_ok=True)

    def note(self, key: str) -> None:
        """Its state has changed."""
        self._keys[key] = None
        if not self._called:
            self._called = True
            self._calls.put(True)

    def close(self) -> None:
        """Lets the thread end, when it has written what is noted."""
        self._calls.put(False)

    def join(self) -> None:
        """Waits for that."""
        self._thread.join()

    def _files(self) -> list[tuple[int, Path]]:
        found = []
        for path in self._folder.glob("journal.*"):
            with suppress(ValueError):
                found.append((int(path.suffix[1:]), path))
        return sorted(found)

    # ------------------------------------------------------------------------ in the thread

    def _run(self) -> None:
        while self._calls.get():
            self._called = False
            self._write()
            time.sleep(PAUSE)
        self._write()
        if self._file is not None:
            os.close(self._file[1])

    def _write(self) -> None:
        try:
            file = self._open(self._generation)
            if os.fstat(file).st_size > LARGEST:
                raise OSError(errno.EFBIG, "the state it belongs to is not saved any more")
            keys = list(self._keys)
            for key in keys:
                self._keys.pop(key, None)  # before it is looked at: it may change again meanwhile
            changes = map(self._change_of, keys)
            data = b"".join([b"%08x %b\n" % (zlib.crc32(one), one) for one in changes])
            while data:
                data = data[os.write(file, data) :]
        except OSError as error:
            if self._failures():
                log.warning("%s/journal cannot be written: %s", self._folder, error)
        except Exception:  # a bug; what is noted next must not suffer for it
            log.exception("a change cannot be noted in %s/journal", self._folder)

    def _open(self, generation: int) -> int:
        if self._file is None or self._file[0] != generation:
            path = self._folder / f"journal.{generation}"
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            descriptor = os.open(path, flags, 0o600)
            if self._file is not None:
                os.close(self._file[1])
            self._file = generation, descriptor
        return self._file[1]
