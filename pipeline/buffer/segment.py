"""One file of a spool: records are appended at its end until it is large enough, then it is only
read, and removed when all of it is delivered. Everything here may block.

Its name holds the number of its first entry and its salt: `00000000000000012345-5f0c8a21.segment`.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path

from pipeline.buffer import record
from pipeline.buffer.record import HEADER, Header

_NAME = re.compile(r"(\d{20})-([0-9a-f]{8})\.segment")
ASIDE = ".aside"
"""What is added to the name of a file that cannot be read."""

_ENDLESS = 2**64


class Segment:
    """The entries `[base, end)`, in `size` bytes of `path` that are safe: written and fsynced."""

    def __init__(self, path: Path, base: int, salt: int, size: int = 0) -> None:
        self.path = path
        self.base = base
        self.salt = salt
        self.size = size
        self.end = base
        self.written = size
        """Bytes, those included that are not safe yet."""
        self._descriptor: int | None = None

    @classmethod
    def create(cls, folder: Path, base: int) -> Segment:
        """A new, empty file. Raises `OSError`."""
        salt = secrets.randbits(32)
        segment = cls(folder / f"{base:020d}-{salt:08x}.segment", base, salt)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        segment._descriptor = os.open(segment.path, flags, 0o600)
        try:
            sync_folder(folder)
        except OSError:
            segment.close()
            segment.path.unlink(missing_ok=True)
            raise
        return segment

    @classmethod
    def find(cls, folder: Path) -> list[Segment]:
        """All that are there, in order. Their `end` is not known yet. Raises `OSError`."""
        segments = []
        with os.scandir(folder) as files:
            for file in files:
                named = _NAME.fullmatch(file.name)
                if named and file.is_file(follow_symlinks=False):
                    base, salt = int(named[1]), int(named[2], 16)
                    segments.append(cls(Path(file.path), base, salt, file.stat().st_size))
        return sorted(segments, key=lambda segment: (segment.base, segment.size))

    # ------------------------------------------------------------------------------ write

    def write(self, data: bytes) -> None:
        """Appends a record. It is not safe yet. Raises `OSError`, and may have written some."""
        view = memoryview(data)
        while view:
            count = os.pwrite(self._open(), view, self.written)
            self.written += count
            view = view[count:]

    def sync(self, end: int) -> None:
        """Makes safe what was written; `end` is the number of the entry that comes next.

        Raises `OSError`; then what was written since the last time must not be relied on, even
        when it is tried again (the kernel forgets what it could not write)."""
        descriptor = self._open()
        os.fdatasync(descriptor)
        if os.fstat(descriptor).st_nlink == 0:
            raise FileNotFoundError(2, "somebody has removed it", str(self.path))
        self.size, self.end = self.written, end

    def cut(self, size: int) -> None:
        """Takes off what stands after the first `size` bytes. Raises `OSError`."""
        os.truncate(self.path, size)
        self.size = self.written = size

    # ------------------------------------------------------------------------------- read

    def read(self, offset: int, length: int) -> bytes:
        """Bytes of the safe part. Raises `OSError`."""
        return os.pread(self._open(), min(length, self.size - offset), offset)

    def record(self, offset: int) -> tuple[Header, int] | None:
        """See `record.first`. What is not this segment's is not seen. Raises `OSError`."""
        found = record.first(self.read, offset, self.size, self.salt)
        return found if found is None or found[0].number < self.end else None

    def records(self) -> Iterator[tuple[Header, int]]:
        """All of them. Raises `OSError`."""
        offset = 0
        while found := self.record(offset):
            yield found
            offset = found[1] + found[0].length

    def is_readable(self) -> bool:
        """Whether there is a whole record in a file that was found. Raises `OSError`."""
        try:
            return record.first(self.read, 0, self.size, self.salt) is not None
        finally:
            self.close()

    def has_begun(self) -> bool:
        """Whether a record, perhaps not whole, is the first thing in it. Raises `OSError`."""
        try:
            return record.header(self.read(0, HEADER), self.salt) is not None
        finally:
            self.close()

    def recover(self) -> int:
        """Finds the end of a file that was being written when the agent ended: `end` follows its
        last whole record, and what stands behind that is cut. Returns how many bytes that was.

        Raises `OSError`."""
        self.end = _ENDLESS
        tail, end = 0, self.base
        for header, start in self.records():
            tail, end = start + header.length, max(end, header.end)
        self.end = end
        torn = self.size - tail
        if torn:
            self.cut(tail)
        return torn

    # ------------------------------------------------------------------------------- file

    def _open(self) -> int:
        if self._descriptor is None:
            self._descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        return self._descriptor

    def close(self) -> None:
        """Lets go of the file; a later `read` opens it again."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def remove(self) -> None:
        """Raises `OSError`, but not when it is gone already."""
        self.close()
        self.path.unlink(missing_ok=True)

    def set_aside(self) -> Path:
        """Renames the file, so that nobody takes it for a segment any more. Raises `OSError`."""
        self.close()
        return self.path.rename(self.path.with_name(self.path.name + ASIDE))


def sync_folder(folder: Path) -> None:
    """Makes safe which files there are. Raises `OSError`."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
