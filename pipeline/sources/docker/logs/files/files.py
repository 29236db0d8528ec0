"""The files of one log: `ID-json.log`, and what rotation made of it, `ID-json.log.1` being newer
than `.2`, perhaps with `.gz`.

A file keeps its inode when it is renamed, so it is followed by that, and held open: neither a
rename nor its removal hides a line of it. Files are held from the one that is being read to the
newest, a few at the most; what is between them is never guessed.
"""

from __future__ import annotations

import errno
import gzip
import os
import time
import zlib
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.accounting.checkpoint import FilePlace
from pipeline.sources.docker.decode.rows import SEAL, seal_of
from pipeline.sources.docker.discovery.rotation import Rotation

BLOCK = 128 * 1024
"""Bytes that are read at once: some hundred lines, which with all that is made of them stay in the
processor's caches. Measured: a tenth less CPU in W2 of the benchmarks than with twice as many, and
with half as many not less."""
MOST_HELD, MOST_HELD_BYTES = 64, 64 << 20
"""Newer files that are held open at once, for a log that is read more slowly than it rotates: the
disk keeps them as long, when the Engine has removed them."""
FEWEST_HELD = 2
"""The same, however large they are."""
TRIES = 50
"""Looks at files that are just being renamed."""
MOMENT = 0.002
"""Seconds between two of them: the Engine renames and opens in less."""

_block = bytearray(BLOCK)
_views = memoryview(_block)
"""Of the event loop's thread; the others are not spared the making of one."""


class Lost(Exception):
    """The file that was read last has nothing to do with those that are there."""


class Truncated(Lost):
    """A file does not have any more what was read from it."""


class LogFile:
    """One file, and how far it was read. Blocks but for `read_cached`."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.inode = os.fstat(descriptor).st_ino
        self.offset = 0
        self.before = b""
        """The last bytes read: as long as they are there, the file was not truncated."""

    def seek(self, offset: int, before: bytes) -> None:
        self.offset, self.before = offset, before

    @property
    def size(self) -> int:
        return os.fstat(self.descriptor).st_size

    def read_cached(self) -> bytes | None:
        """The next block, or less; empty at its end. None where the disk would be waited for.

        Raises `Truncated` and `OSError`."""
        known = bytearray(len(self.before))
        try:
            count = os.preadv(
                self.descriptor, [known, _views], self.offset - len(known), os.RWF_NOWAIT
            )
        except BlockingIOError:
            return None
        except OSError as error:
            if error.errno != errno.EOPNOTSUPP:
                raise
            return None
        if count <= len(known) and self.size != self.offset:
            return None  # truncated, or not cached: it is read once more to see which
        return self._took(known, bytes(_views[: count - len(known)]))

    def read(self) -> bytes:
        """The next block, or less; empty at its end. Raises `Truncated` and `OSError`."""
        length = len(self.before)
        data = os.pread(self.descriptor, BLOCK + length, self.offset - length)
        return self._took(data[:length], data[length:])

    def _took(self, known: bytes | bytearray, data: bytes) -> bytes:
        if known != self.before:
            raise Truncated
        if data:
            self.offset += len(data)
            self.before = (self.before + data[-SEAL:])[-SEAL:]
        return data

    def is_at(self, place: FilePlace) -> bool:
        """Whether the place is in it still."""
        start = max(0, place.offset - SEAL)
        before = os.pread(self.descriptor, place.offset - start, start)
        if len(before) < place.offset - start or seal_of(before) != place.seal:
            return False
        self.seek(place.offset, before)
        return True

    def close(self) -> None:
        os.close(self.descriptor)


class Compressed(LogFile):
    """One that the Engine has compressed, and nobody writes to any more."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor)
        self._file = os.fdopen(descriptor, "rb", closefd=False)
        self._plain = gzip.GzipFile(fileobj=self._file)
        self.inode = 0  # an offset in it means nothing without reading all before it

    def read_cached(self) -> bytes | None:
        return None

    def read(self) -> bytes:
        try:
            data = self._plain.read(BLOCK)
        except (EOFError, zlib.error) as error:
            raise OSError(errno.EIO, f"a compressed file is damaged: {error}") from error
        return self._took(self.before, data)

    def close(self) -> None:
        self._plain.close()
        self._file.close()
        super().close()


class Files:
    """Those of one log that are to be read, the current one first. Belongs to one reading; all but
    `look` and `read_cached` are for a thread."""

    def __init__(self) -> None:
        self._path = ""
        self._held: deque[LogFile] = deque()
        self._closed = False

    @property
    def current(self) -> LogFile:
        return self._held[0]

    @property
    def newest(self) -> LogFile:
        return self._held[-1]

    @property
    def more(self) -> bool:
        """Whether there are newer files than the current one."""
        return len(self._held) > 1

    def are_all_of(self, rotation: Rotation | None) -> bool:
        """Whether there are as many as the rotation keeps: older ones may have been removed."""
        return rotation is not None and len(self._held) >= rotation.files

    def close(self) -> None:
        """Also while a thread is still opening them: it closes them then."""
        self._closed = True
        while self._held:
            self._held.pop().close()

    # -------------------------------------------------------------------------- opening

    @contextmanager
    def opening(self, path: Path) -> Iterator[None]:
        """While those of the log at that path are opened in a thread."""
        self._path = str(path)
        try:
            yield
        finally:
            if self._closed:
                self.close()

    def open_at(self, place: FilePlace) -> bool:
        """Begins where the place is, if it is still there. Raises `OSError`."""
        taken = self._settled(place.inode)
        if taken and taken[-1].inode == place.inode and taken[-1].is_at(place):
            self._held.extend(reversed(taken))
            return True
        _close(taken)
        return False

    def open_oldest(self) -> None:
        """Begins with the first row that there is. Raises `OSError`."""
        taken = self._settled(None)
        if not taken:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self._path)
        self._held.extend(reversed(taken))

    def open_since(self, since: bytes) -> None:
        """Begins not far before the first row of that time, if times do not go back. Raises
        `OSError`."""
        self.open_oldest()
        second = since[:_SECOND]
        while self.more and b"" < _first_time(self._held[1])[:_SECOND] < second:
            self.advance()
        current = self.current
        if isinstance(current, Compressed):
            return
        back, size = BLOCK, current.size
        while back < size:
            data = os.pread(current.descriptor, 2 * _ROW, size - back)
            begin = data.find(b"\n") + 1
            if begin and b"" < _time_in(data[begin:])[:_SECOND] < second:
                current.seek(size - back + begin, data[max(0, begin - SEAL) : begin])
                return
            back *= 4

    def _settled(self, until: int | None) -> list[LogFile]:
        for _ in range(TRIES):
            if (taken := self._take(until)) is not None:
                return taken
            time.sleep(MOMENT)
        return self._take(until, settled=True) or []

    def _take(self, until: int | None, *, settled: bool = False) -> list[LogFile] | None:
        """Files of one moment, from the newest back to the one with the inode `until`, or to the
        oldest; None while they are being renamed. `settled`: they are not, though one is missing
        in between."""
        files: list[LogFile] = []
        try:
            while (one := self._open(len(files))) is not None:
                files.append(one)
                if one.inode == until:
                    break
            all_there = settled or (files and files[-1].inode == until)
            if (
                files
                and self._is_newest(files[0])
                and (all_there or not self._continues(len(files)))
            ):
                return files
        except BaseException:
            _close(files)
            raise
        _close(files)
        return None

    def _continues(self, missing: int) -> bool:
        """Whether there is an older file behind a name that is missing."""
        return any(os.path.lexists(f"{self._path}.{missing + 1}{end}") for end in ("", ".gz"))

    def _open(self, number: int) -> LogFile | None:
        if not number:
            return _opened(LogFile, self._path)
        name = f"{self._path}.{number}"
        return _opened(LogFile, name) or _opened(Compressed, f"{name}.gz")

    def _is_newest(self, one: LogFile) -> bool:
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            return os.fstat(descriptor).st_ino == one.inode
        finally:
            os.close(descriptor)

    # ------------------------------------------------------------------------ following

    def look(self) -> bool:
        """Takes note of files that are newer than the newest held. False while they are being
        renamed, and where there is no log any more. Raises `Lost` and `OSError`."""
        newest, room = self.newest, self._room()
        if not room or self._is_newest(newest):
            return True
        taken = self._take(newest.inode)
        if taken is None:
            return False
        if taken[-1].inode != newest.inode:
            _close(taken)
            raise Lost
        taken.pop().close()
        _close(taken[:-room])
        self._held.extend(reversed(taken[-room:]))
        return True

    def _room(self) -> int:
        """How many more may be held."""
        behind = len(self._held) - 1
        if behind < FEWEST_HELD:
            return FEWEST_HELD - behind
        if sum(one.size for one in self._held) >= MOST_HELD_BYTES:
            return 0
        return max(0, MOST_HELD - behind)

    def advance(self) -> None:
        """To the next file: the current one was read to its end since a newer one was held."""
        self._held.popleft().close()


def _opened(kind: type[LogFile], name: str) -> LogFile | None:
    try:
        return kind(os.open(name, os.O_RDONLY | os.O_CLOEXEC))
    except FileNotFoundError:
        return None


def _close(files: list[LogFile]) -> None:
    for one in files:
        one.close()


_SECOND = len("2026-01-31T23:59:59")
_ROW = 1 << 17
"""Bytes in which there is a whole row, or nearly always."""


def _first_time(one: LogFile) -> bytes:
    """Of its first row; empty where there is none that can be read."""
    if isinstance(one, Compressed):
        return b""
    return _time_in(os.pread(one.descriptor, _ROW, 0))


def _time_in(data: bytes) -> bytes:
    """Of the first whole row, as it is written there."""
    row, end, _ = data.partition(b"\n")
    _, found, time = row.rpartition(b'"time":"')
    return time.partition(b'"')[0] if end and found else b""
