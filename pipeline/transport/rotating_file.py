"""A file that is appended to and rotated. Blocking: run it in a thread."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from pipeline.support.folders import make_folder, sync_folder

_FILE = {
    errno.ENOSPC: "cannot be written: the disk is full; free some space",
    errno.EDQUOT: "cannot be written: the quota of this user is used up",
    errno.EROFS: "cannot be written: the file system is read-only",
    errno.EACCES: "may not be written by this user; check the owner and mode of file and folder",
    errno.EPERM: "may not be written by this user; check the owner and mode of file and folder",
    errno.EISDIR: "is a folder; name a file in it",
    errno.ENOTDIR: "cannot be made: a part of the path is not a folder",
    errno.ESPIPE: "is a pipe or a device, not a file",
    errno.EEXIST: "cannot be made: a part of the path is not a folder",
}


def file_sentence(error: OSError) -> str:
    """Why a file cannot be written and what to do, to go on after its path: `cannot be written: the
    disk is full; free some space`."""
    number = error.errno or 0
    return _FILE.get(number, f"cannot be used: {os.strerror(number)}")


class RotatingFile:
    """A file that whole payloads of whole lines are appended to. All methods block, and raise
    `OSError`, but for `close`."""

    def __init__(
        self,
        path: str,
        *,
        size: int = 0,
        every: float | None = None,
        keep: int = 5,
        sync_writes: bool = False,
        sync_files: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Rotates before the payload that would make the file larger than `size` bytes (0: any
        size), or that is the first of another period of `every` seconds since the epoch.

        `sync_writes` forces each payload to the disk, `sync_files` each file that is moved aside.
        """
        self._path = Path(path)
        self._limit = size
        self._every = every
        self._keep = keep
        self._sync_writes = sync_writes
        self._sync_files = sync_files
        self._clock = clock
        self._descriptor: int | None = None
        self._period = 0.0

    def open(self) -> None:
        """Opens or makes the file, and ends a line that a crash has cut short."""
        self.close()
        if self._sync_files:
            make_folder(self._path.parent)
        else:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            if not stat.S_ISREG(self._path.stat().st_mode):
                raise OSError(errno.ESPIPE, os.strerror(errno.ESPIPE))
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._descriptor = descriptor = os.open(self._path, flags, 0o640)
        found = os.fstat(descriptor)
        self._period = self._period_of(found.st_mtime)
        if found.st_size == 0:
            self._sync_folder()
        elif os.pread(descriptor, 1, found.st_size - 1) != b"\n":
            os.write(descriptor, b"\n")

    def write(self, data: bytes) -> None:
        """Appends `data`, rotating before it where that is due. All of it is written or nothing:
        what was written of a payload that failed is taken back."""
        if not data:
            return
        descriptor, size = self._ready(len(data))
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            if self._sync_writes:
                os.fdatasync(descriptor)
        except OSError:
            with suppress(OSError):
                os.ftruncate(descriptor, size)
            raise

    def close(self) -> None:
        """Closes the file, and forces it to the disk before where that is wanted. Never raises."""
        descriptor, self._descriptor = self._descriptor, None  # another thread may close it, too
        if descriptor is None:
            return
        with suppress(OSError):
            if self._sync_files:
                os.fsync(descriptor)
        with suppress(OSError):
            os.close(descriptor)

    # -- rotation ------------------------------------------------------------------------------

    def _ready(self, wanted: int) -> tuple[int, int]:
        """The file that `wanted` bytes may go to, and its size."""
        if self._descriptor is None or self._moved(self._descriptor):
            self.open()
        assert self._descriptor is not None
        period = self._period_of(self._clock())
        size = os.fstat(self._descriptor).st_size
        over = self._limit and size + wanted > self._limit
        if size and (over or period != self._period):
            self._rotate(self._descriptor)
            size = 0
        self._period = period
        return self._descriptor, size

    def _moved(self, descriptor: int) -> bool:
        """Another program has moved or removed the file."""
        try:
            return not os.path.samestat(self._path.stat(), os.fstat(descriptor))
        except FileNotFoundError:
            return True

    def _rotate(self, descriptor: int) -> None:
        if self._sync_files:
            os.fsync(descriptor)
        beyond = max(1, self._keep)
        while (oldest := self._aside(beyond)).exists():
            oldest.unlink()
            beyond += 1
        for number in range(self._keep - 1, 0, -1):
            with suppress(FileNotFoundError):
                self._aside(number).rename(self._aside(number + 1))
        if self._keep:
            self._path.rename(self._aside(1))
        else:
            self._path.unlink()
        os.close(descriptor)
        self._descriptor = None
        self.open()

    def _aside(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")

    def _period_of(self, moment: float) -> float:
        return moment // self._every if self._every else 0.0

    def _sync_folder(self) -> None:
        """Makes names in the folder as durable as the files."""
        if self._sync_files:
            sync_folder(self._path.parent)
