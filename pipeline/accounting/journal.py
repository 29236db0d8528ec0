"""The journal: files to which changes of a saved state are appended as they happen.

A state that is replaced as a whole and fsynced cannot be saved with every payload. Its changes can.
They are written without fsync: they survive the end of the process, but not a crash of the machine,
which leaves the state as it was last saved.

    journal.12      changes since the 12th state was begun, or a little before
    journal.13

Each line is a CRC-32 and a change as JSON. A change contains the number of changes before it. By
this number, changes that a saved state already has are told from newer ones.
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
"""Largest size of a file, in bytes. A file grows for as long as the state cannot be saved."""

PAUSE = 0.01
"""Seconds between two writes. Changes of this time are lost when the process is killed."""


class Journal:
    """Appends changes to a file in a thread of its own.

    `note` never waits: it adds a key to a set. The thread asks for the current state of each key
    and writes it. A disk that hangs blocks nobody else.
    """

    def __init__(self, folder: Path, change_of: Callable[[str], bytes]) -> None:
        """`folder`: where the files are. `change_of`: called in the thread with a key; returns its
        current state as one line of JSON."""
        self._folder = folder
        self._change_of = change_of
        self._keys: dict[str, None] = {}
        self._calls: SimpleQueue[bool] = SimpleQueue()
        """Wakes the thread: True if there is something to write, False to end it."""
        self._called = False
        self._thread = Thread(target=self._run, name="journal", daemon=True)
        self._generation = 0
        self._file: tuple[int, int] | None = None
        """Generation and file descriptor."""
        self._failures = RateLimit()

    def read(self) -> Iterator[bytes]:
        """Yields the changes that were written, in order, without torn or damaged lines.

        Call it before `start`, which continues after the newest file read here. Raises `OSError`.
        """
        for generation, path in self._files():
            self._generation = max(self._generation, generation)
            for line in path.read_bytes().splitlines(keepends=True):
                crc, _, change = line.partition(b" ")
                if line.endswith(b"\n") and crc == b"%08x" % zlib.crc32(change[:-1]):
                    yield change[:-1]

    def start(self) -> None:
        """Starts the thread, which also writes what was noted before. May block."""
        self._generation += 1
        self._thread.start()

    def begin(self) -> int:
        """Begins a new file for what is noted from now on. Returns its number."""
        self._generation += 1
        return self._generation

    def remove_before(self, generation: int) -> None:
        """Removes all files older than `generation`: a saved state contains their changes. May
        block. Raises `OSError`."""
        for number, path in self._files():
            if number < generation:
                path.unlink(missing_ok=True)

    def note(self, key: str) -> None:
        """Notes that the state of `key` has changed."""
        self._keys[key] = None
        if not self._called:
            self._called = True
            self._calls.put(True)

    def close(self) -> None:
        """Tells the thread to write what was noted and to end. Doesn't wait for it."""
        self._calls.put(False)

    def join(self) -> None:
        """Waits until the thread has ended."""
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
                raise OSError(errno.EFBIG, "the checkpoint cannot be saved")
            keys = list(self._keys)
            for key in keys:
                self._keys.pop(key, None)  # before reading its state: it may change again meanwhile
            changes = map(self._change_of, keys)
            data = b"".join([b"%08x %b\n" % (zlib.crc32(one), one) for one in changes])
            while data:
                data = data[os.write(file, data) :]
        except OSError as error:
            if self._failures():
                log.warning("%s/journal cannot be written: %s", self._folder, error)
        except Exception:  # a bug; later changes must still be written
            log.exception("a change cannot be written to %s/journal", self._folder)

    def _open(self, generation: int) -> int:
        if self._file is None or self._file[0] != generation:
            path = self._folder / f"journal.{generation}"
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            descriptor = os.open(path, flags, 0o600)
            if self._file is not None:
                os.close(self._file[1])
            self._file = generation, descriptor
        return self._file[1]
