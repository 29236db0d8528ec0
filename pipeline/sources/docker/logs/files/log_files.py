"""Opens and reads the files of one log: `ID-json.log`, and the rotated `ID-json.log.1`, `.2` and so
on.

`.1` is newer than `.2`, and rotated files may be compressed (`.gz`). A file keeps its inode when it
is renamed, so it is recognised by that and kept open: no line is lost when it is renamed or
removed. The files from the one that is being read to the newest are open, up to a limit.
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
"""Bytes of one read: some hundred lines, which stay in the processor's caches with all that is made
of them. Measured with W2 of the benchmarks: a tenth less CPU than with twice as many, and no less
with half as many."""
PAGE = 4096
"""Bytes of a page of the page cache, or a divisor of that. Where a read that is not to wait meets a
page that it would have to wait for, it ends before that page."""
MOST_HELD, MOST_HELD_BYTES = 64, 64 << 20
"""Most newer files that are open at once, and their bytes, for a log that is rotated faster than it
is read. Their space on disk is in use until then, even when the Engine has removed them."""
FEWEST_HELD = 2
"""Newer files that may be open at once, however large they are."""
TRIES = 50
"""How often to look again at files that are being renamed."""
MOMENT = 0.002
"""Seconds between two such looks: the Engine renames and opens files in less."""

_block = bytearray(BLOCK)
_views = memoryview(_block)
"""A buffer for the event loop's thread. Reads in other threads make their own."""


class Lost(Exception):
    """The file that was read last is not among the log's files any more."""


class FileTruncated(Lost):
    """A file no longer has the bytes that were read from it."""


class LogFile:
    """An open file of a log, and how far it was read.

    All methods but `read_cached` may block.
    """

    def __init__(self, descriptor: int) -> None:
        """Takes over the descriptor. Reading begins at offset 0."""
        self.descriptor = descriptor
        self.inode = os.fstat(descriptor).st_ino
        self.offset = 0
        self.before = b""
        """The last bytes that were read. As long as the file has them, it was not truncated."""

    def seek(self, offset: int, before: bytes) -> None:
        """Moves to an offset. `before` are the last bytes before it, `SEAL` or fewer."""
        self.offset, self.before = offset, before

    @property
    def size(self) -> int:
        """Bytes of the file now."""
        return os.fstat(self.descriptor).st_size

    def read_cached(self) -> bytes | None:
        """Returns up to `BLOCK` next bytes, if they are in the page cache; empty at the end of the
        file. Fewer are not the last ones by that: see `may_have_more`.

        None when reading would wait for the disk: then use `read` in a thread. Raises
        `FileTruncated` and `OSError`.
        """
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
            return None  # truncated, or not cached: `read` finds out which
        return self._took(known, bytes(_views[: count - len(known)]))

    def read(self) -> bytes:
        """Returns up to `BLOCK` next bytes; empty at the end of the file.

        Raises `FileTruncated` and `OSError`.
        """
        length = len(self.before)
        data = os.pread(self.descriptor, BLOCK + length, self.offset - length)
        return self._took(data[:length], data[length:])

    def may_have_more(self, data: bytes) -> bool:
        """Whether the file may have had more when `data` was read just now."""
        return len(data) == BLOCK or self.offset % PAGE == 0

    def _took(self, known: bytes | bytearray, data: bytes) -> bytes:
        if known != self.before:
            raise FileTruncated
        if data:
            self.offset += len(data)
            self.before = (self.before + data[-SEAL:])[-SEAL:]
        return data

    def is_at(self, place: FilePlace) -> bool:
        """Whether the file still has this place, and moves there if so."""
        start = max(0, place.offset - SEAL)
        before = os.pread(self.descriptor, place.offset - start, start)
        if len(before) < place.offset - start or seal_of(before) != place.seal:
            return False
        self.seek(place.offset, before)
        return True

    def close(self) -> None:
        """Closes the descriptor."""
        os.close(self.descriptor)


class Compressed(LogFile):
    """A file that the Engine has compressed. Nothing is appended to it any more."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor)
        self._file = os.fdopen(descriptor, "rb", closefd=False)
        self._plain = gzip.GzipFile(fileobj=self._file)
        self.inode = 0  # an offset can only be reached by reading everything before it

    def read_cached(self) -> bytes | None:
        """Returns None: decompressing takes long, so it is done in a thread."""
        return None

    def read(self) -> bytes:
        """Returns up to `BLOCK` next decompressed bytes; empty at the end of the file.

        Raises `OSError` (`EIO`) when the file is damaged.
        """
        try:
            data = self._plain.read(BLOCK)
        except (EOFError, zlib.error) as error:
            raise OSError(errno.EIO, f"a compressed file is damaged: {error}") from error
        return self._took(self.before, data)

    def close(self) -> None:
        """Closes the file."""
        self._plain.close()
        self._file.close()
        super().close()


class LogFiles:
    """The open files of one log, from the one that is being read to the newest.

    The methods that begin with `open` block and are to be called in a thread, within `opening`. The
    others are called from the event loop.
    """

    def __init__(self) -> None:
        self._path = ""
        self._held: deque[LogFile] = deque()
        self._closed = False

    @property
    def current(self) -> LogFile:
        """The file that is being read."""
        return self._held[0]

    @property
    def newest(self) -> LogFile:
        """The newest file that is open."""
        return self._held[-1]

    @property
    def more(self) -> bool:
        """Whether files newer than the current one are open."""
        return len(self._held) > 1

    def are_all_of(self, rotation: Rotation | None) -> bool:
        """Whether as many files are open as the rotation keeps, so that older ones may have been
        removed.
        """
        return rotation is not None and len(self._held) >= rotation.files

    def close(self) -> None:
        """Closes all files. A thread that is opening files meanwhile closes them itself."""
        self._closed = True
        while self._held:
            self._held.pop().close()

    # -------------------------------------------------------------------------- opening

    @contextmanager
    def opening(self, path: Path) -> Iterator[None]:
        """A context for opening the files of the log at `path`, in a thread."""
        self._path = str(path)
        try:
            yield
        finally:
            if self._closed:
                self.close()

    def open_at(self, place: FilePlace) -> bool:
        """Opens the files from `place` on, if it still exists; else opens nothing and returns
        False.

        Raises `OSError`.
        """
        taken = self._open_once_renamed(place.inode)
        if taken and taken[-1].inode == place.inode and taken[-1].is_at(place):
            self._held.extend(reversed(taken))
            return True
        _close(taken)
        return False

    def open_oldest(self) -> None:
        """Opens all files, beginning with the oldest. Raises `OSError`, also when there is none."""
        taken = self._open_once_renamed(None)
        if not taken:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self._path)
        self._held.extend(reversed(taken))

    def open_since(self, since: bytes) -> None:
        """Opens the files from shortly before the first row of that time, if times never go back.

        `since` is as in `Batch.times`. Raises `OSError`.
        """
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

    def _open_once_renamed(self, until: int | None) -> list[LogFile]:
        """Opens the files down to that inode; waits while they are being renamed."""
        for _ in range(TRIES):
            if (taken := self._take(until)) is not None:
                return taken
            time.sleep(MOMENT)
        return self._take(until, stable=True) or []

    def _take(self, until: int | None, *, stable: bool = False) -> list[LogFile] | None:
        """Opens files, the newest first, down to the inode `until` or to the oldest.

        None while they are being renamed. `stable`: they are not, even if one in between is
        missing.
        """
        files: list[LogFile] = []
        try:
            while (one := self._open(len(files))) is not None:
                files.append(one)
                if one.inode == until:
                    break
            all_there = stable or (files and files[-1].inode == until)
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
        """Whether there is an older file after a missing one."""
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
        """Opens files that are newer than the newest open one.

        False while they are being renamed, and when there is no log any more. Raises `Lost` and
        `OSError`.
        """
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
        """How many more files may be open."""
        behind = len(self._held) - 1
        if behind < FEWEST_HELD:
            return FEWEST_HELD - behind
        if sum(one.size for one in self._held) >= MOST_HELD_BYTES:
            return 0
        return max(0, MOST_HELD - behind)

    def advance(self) -> None:
        """Goes on to the next file. The current one has been read to its end since a newer one was
        opened.
        """
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
"""Bytes that nearly always have a whole row."""


def _first_time(one: LogFile) -> bytes:
    """Time of a file's first row; empty where it cannot be read."""
    if isinstance(one, Compressed):
        return b""
    return _time_in(os.pread(one.descriptor, _ROW, 0))


def _time_in(data: bytes) -> bytes:
    """Time of the first whole row, as it is written there; empty where there is none."""
    row, end, _ = data.partition(b"\n")
    _, found, time = row.rpartition(b'"time":"')
    return time.partition(b'"')[0] if end and found else b""
