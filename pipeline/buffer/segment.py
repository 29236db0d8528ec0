"""One file of a spool: records are appended until it is large enough, and it is removed when all of
them are delivered. Everything here may block.

The name has the number of its first entry and its salt: `00000000000000012345-5f0c8a21.segment`.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path

from pipeline.buffer import record
from pipeline.buffer.record import HEADER, Header
from pipeline.support.folders import sync_folder

_NAME = re.compile(r"(\d{20})-([0-9a-f]{8})\.segment")
ASIDE = ".aside"
"""Suffix of a file that was set aside because it can't be read."""

_ENDLESS = 2**64


class Segment:
    """The entries `[base, end)`, in the first `size` bytes of `path`.

    These bytes are safe: written and fsynced. More may be written, and not be safe yet.
    """

    def __init__(self, path: Path, base: int, salt: int, size: int = 0) -> None:
        self.path = path
        self.base = base
        self.salt = salt
        self.size = size
        self.end = base
        self.written = size
        """Bytes of the file, those included that aren't safe yet."""
        self._descriptor: int | None = None

    @classmethod
    def create(cls, folder: Path, base: int) -> Segment:
        """Makes a new, empty file. `base`: the number of its first entry. Raises `OSError`."""
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
        """All segments of a folder, in order. Their `end` isn't known yet. Raises `OSError`."""
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
        """Appends a record, which isn't safe yet.

        Raises `OSError`; then a part of the record may be in the file.
        """
        view = memoryview(data)
        while view:
            count = os.pwrite(self._open(), view, self.written)
            self.written += count
            view = view[count:]

    def sync(self, end: int) -> None:
        """Makes all that was written safe. `end`: the number after the last entry written.

        Raises `OSError`. Then nothing written since the last `sync` may be relied on, even if a
        later `sync` works: the kernel forgets pages that it could not write.
        """
        descriptor = self._open()
        os.fdatasync(descriptor)
        if os.fstat(descriptor).st_nlink == 0:
            raise FileNotFoundError(2, "the file was removed", str(self.path))
        self.size, self.end = self.written, end

    def cut(self, size: int) -> None:
        """Truncates the file to `size` bytes. Raises `OSError`."""
        os.truncate(self.path, size)
        self.size = self.written = size

    # ------------------------------------------------------------------------------- read

    def read(self, offset: int, length: int) -> bytes:
        """Bytes of the safe part; fewer than `length` at its end. Raises `OSError`."""
        return os.pread(self._open(), min(length, self.size - offset), offset)

    def record(self, offset: int) -> tuple[Header, int] | None:
        """The first complete record at or after `offset`, and the offset of its payload.

        None when there is no more in this segment. Raises `OSError`.
        """
        found = record.first(self.read, offset, self.size, self.salt)
        return found if found is None or found[0].number < self.end else None

    def records(self) -> Iterator[tuple[Header, int]]:
        """All records, each with the offset of its payload. Raises `OSError`."""
        offset = 0
        while found := self.record(offset):
            yield found
            offset = found[1] + found[0].length

    def is_readable(self) -> bool:
        """Whether there is any complete record in the file. Raises `OSError`."""
        try:
            return record.first(self.read, 0, self.size, self.salt) is not None
        finally:
            self.close()

    def has_begun(self) -> bool:
        """Whether the file starts with a record's header, complete or not. Raises `OSError`."""
        try:
            return record.header(self.read(0, HEADER), self.salt) is not None
        finally:
            self.close()

    def recover(self) -> int:
        """Sets `end` of a file that was being written when the agent ended.

        Cuts off what follows the last complete record. Returns how many bytes that was. Raises
        `OSError`.
        """
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
        """Closes the file. A later `read` opens it again."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def remove(self) -> None:
        """Deletes the file, if it still exists. Raises `OSError`."""
        self.close()
        self.path.unlink(missing_ok=True)

    def set_aside(self) -> Path:
        """Renames the file, so that it is no segment any more, and returns the new path.

        Raises `OSError`; `FileNotFoundError` when the file is gone.
        """
        self.close()
        return self.path.rename(self.path.with_name(self.path.name + ASIDE))
