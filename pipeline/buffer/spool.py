"""A sink's spool on disk: entries are appended at one end, and read and removed at the other.

    spools/logstash/lock                                     held while an agent has the spool
                    cursor                                   how far it is delivered
                    00000000000000012345-5f0c8a21.segment    entries from number 12345 on
                    00000000000000034567-91e2b7d4.segment

Entries are numbered in the order in which they are written, as long as the folder exists. So what
is missing or can't be read is noticed, and counted exactly, by the numbers around it.

Everything here may block. Make all calls from one thread.
"""

from __future__ import annotations

import fcntl
import logging
import os
import zlib
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from pipeline.buffer import record
from pipeline.buffer.columns import ColumnCodec, Origin
from pipeline.buffer.cursor import Range, SpoolCursor
from pipeline.buffer.reader import Chunk, SpoolReader
from pipeline.buffer.record import HEADER, Header
from pipeline.buffer.segment import ASIDE, Segment
from pipeline.buffer.segments import Segments
from pipeline.model.batch import Batch
from pipeline.model.errors import DocklineError
from pipeline.support.folders import make_folder, sync_folder

log = logging.getLogger(__name__)

SEGMENT_SIZE = 16 * 2**20
"""Bytes of a segment, or a sixteenth of the spool's limit if that is less; at least one record."""

RECORD_SIZE = 256 * 1024
"""Bytes of memory (`Batch.size`) from which on a record takes no more batches: about 1,000 lines of
142 bytes. It is also what one damaged byte costs."""

DAMAGED = "spool_damaged"
"""The reason for entries that were on disk and can't be read."""


class Loss(NamedTuple):
    """Entries of a spool that will not be delivered."""

    origin: Origin | None
    """None if it isn't known."""
    entries: int
    reason: str
    number: int
    """Number of the entry after them."""


class Spool:
    """A spool. Any thread may read `end`, `full` and `bytes`, and one may empty `lost`."""

    def __init__(
        self,
        folder: Path,
        limit: int,
        *,
        record_size: int = RECORD_SIZE,
        drop_oldest: bool = False,
    ) -> None:
        """`folder` need not exist.

        `limit`: bytes that all files in the folder may have together. `record_size`: bytes of
        memory from which on a record takes no more batches. `drop_oldest`: whether the oldest
        segments are removed when there is no room for new entries.
        """
        self.folder = folder
        self.limit = limit
        self.record_size = record_size
        self.segment_size = min(SEGMENT_SIZE, limit // 16)
        self.end = 0
        """Number of the next entry. All below are safe: written and fsynced."""
        self.full = False
        """Whether the last `append` had too little room for all its batches."""
        self.bytes = 0
        """Bytes of all files."""
        self.lost: deque[Loss] = deque()
        """Entries that were removed without being delivered. The reader of this empties it."""
        self._drop_oldest = drop_oldest
        self._columns = ColumnCodec()
        self._cursor = SpoolCursor(folder)
        self._segments = Segments(folder)
        self._reader = SpoolReader(self._segments, self._cursor, self._columns)
        self._next = 0
        """Number of the next entry, counting those that aren't safe yet."""
        self._handed_out = 0
        """Entries below this number have been read."""
        self._lock: int | None = None

    def configure(self, limit: int, *, drop_oldest: bool) -> None:
        """Applies another limit and policy from the next record on. Any thread may call it."""
        self.limit, self._drop_oldest = limit, drop_oldest
        self.segment_size = min(SEGMENT_SIZE, limit // 16)

    # ------------------------------------------------------------------------------- open

    @property
    def is_open(self) -> bool:
        """Whether this spool has the folder's lock."""
        return self._lock is not None

    @property
    def settled(self) -> int:
        """Entries below this number are delivered."""
        return self._cursor.settled

    def open(self) -> None:
        """Takes the folder's lock, and repairs what an earlier run left.

        Raises `OSError` when the folder can't be used, and `DocklineError` when another agent uses
        it.
        """
        if self.is_open:
            return
        for folder in (self.folder.parent, self.folder):  # the mode is that of the last one made
            make_folder(folder, 0o700)
        lock = os.open(self.folder / "lock", os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._recover()
        except BlockingIOError:
            os.close(lock)
            raise DocklineError(
                f"{self.folder} is in use by another dockline: give each its own [state] directory"
            ) from None
        except BaseException:
            self._segments.close()
            os.close(lock)
            raise
        self._lock = lock

    def _recover(self) -> None:
        known = self._load_cursor()
        self._segments.recover()
        if not known:
            self._cursor.settle(self._segments.base or 0)
        self.end = self._next = max(self._cursor.settled, self._segments.end)
        self._handed_out = self._cursor.settled
        self.settle(self._cursor.settled)
        for folder in (self.folder, *self.folder.parents[:2]):
            sync_folder(folder)

    def _load_cursor(self) -> bool:
        path = self._cursor.path
        try:
            known = self._cursor.load()
        except OSError as error:
            log.warning("%s cannot be read (%s) and is set aside", path, error.strerror)
            path.rename(path.with_name(path.name + ASIDE))
            return False
        if not known and path.exists():
            log.warning("%s is damaged: some entries may be delivered again", path)
        return known

    def close(self) -> None:
        """Closes all files, and gives the lock back. Never raises."""
        self._segments.close()
        if self._lock is not None:
            with suppress(OSError):
                self._cursor.store(sync=True)
            os.close(self._lock)
            self._lock = None

    # ------------------------------------------------------------------------------ write

    def append(self, batches: Iterable[Batch], handed_out: int) -> None:
        """Writes as many batches as fit, and makes them safe with one fsync (one more per segment).

        `end` says how far it got, and `full` whether something did not fit. Nothing stays in the
        files that isn't safe. Entries below `handed_out` are in memory, and must not be dropped.

        Raises `OSError` or `MemoryError`; the entries below `end` are safe even then.
        """
        began = self.end
        self.full = False
        try:
            for group, size in _groups(batches, self.record_size):
                header, payload = self._encode(group, size)
                if not self._make_room(HEADER + len(payload), handed_out, began):
                    self.full = True
                    break
                self._write(header, payload)
            self._sync()
        except (OSError, MemoryError):
            self._abandon()
            raise
        finally:
            self.bytes = self._segments.bytes

    def _encode(self, batches: Sequence[Batch], size: int) -> tuple[Header, bytes]:
        payload, plain = self._columns.encode(batches)
        entries = sum(map(len, batches))
        crc = zlib.crc32(payload)
        return Header(self._next, entries, len(payload), plain, size, crc), payload

    def _write(self, header: Header, payload: bytes) -> None:
        size = HEADER + len(payload)
        segment = self._segments.active
        if segment is None or (segment.written and segment.written + size > self.segment_size):
            self._sync()
            self._segments.seal()
            segment = self._segments.create(self._next)
        segment.write(record.pack(header, segment.salt) + payload)
        self.bytes += size
        self._next = header.end

    def _sync(self) -> None:
        segment = self._segments.active
        if segment is not None and segment.written > segment.size:
            segment.sync(self._next)
            self.end = self._next

    def _abandon(self) -> None:
        """Removes what isn't safe, after an error. The next record starts a new segment, because a
        file can't be relied on after fsync has failed on it."""
        self._next = self.end
        segment = self._segments.active
        if segment is None:
            return
        self._segments.seal()
        try:
            segment.cut(segment.size)
            if not segment.size:
                self._segments.remove(segment)
        except OSError as error:
            log.warning("%s cannot be cut: %s", segment.path, error.strerror)

    # ------------------------------------------------------------------------------- room

    def _make_room(self, size: int, handed_out: int, began: int) -> bool:
        while self.bytes + size > self.limit:
            if not self._segments.remove_aside():
                oldest = self._droppable(max(handed_out, self._handed_out), began)
                if oldest is None:
                    return False
                self._drop(oldest)
            self.bytes = self._segments.bytes
        return True

    def _droppable(self, first: int, last: int) -> Segment | None:
        """The oldest segment that has entries of `[first, last)` only; None if there is none."""
        if not self._drop_oldest:
            return None
        return next((one for one in self._segments if first <= one.base and one.end <= last), None)

    def _drop(self, segment: Segment) -> None:
        """Removes a segment that isn't delivered. The cursor is written first, so that the entries
        don't look lost after a crash. Raises `OSError`; then nothing is dropped."""
        dropped = self._whose(segment)
        before = self._cursor.given_up
        self._cursor.give_up(segment.base, segment.end)
        try:
            self._cursor.store(sync=True)
            self._segments.remove(segment)
        except OSError:
            self._cursor.given_up = before
            raise
        for origin, count in dropped.items():
            self.lost.append(Loss(origin, count, "drop_oldest", segment.end))
        if damaged := segment.end - segment.base - dropped.total():
            self.lost.append(Loss(None, damaged, DAMAGED, segment.end))

    def _whose(self, segment: Segment) -> Counter[Origin]:
        """How many entries of each origin a segment has, where it can be read."""
        counts: Counter[Origin] = Counter()
        with suppress(OSError):
            for header, start in segment.records():
                for origin, entries in self._reader.whose(segment, header, start):
                    counts[origin] += entries
        return counts

    @property
    def given_up(self) -> tuple[Range, ...]:
        """Ranges of entries that the policy dropped and that aren't settled yet."""
        return self._cursor.given_up

    # ------------------------------------------------------------------------- read, remove

    def read(self, position: int, end: int, limit: int) -> Chunk:
        """Reads entries `[position, end)`: up to `limit` bytes of memory, but at least a record.

        Damaged and missing entries are skipped and counted in the chunk. Raises `OSError`; then try
        again later.
        """
        chunk = self._reader.read(position, end, limit)
        self._handed_out = max(self._handed_out, chunk.position)
        return chunk

    def settle(self, number: int) -> None:
        """Writes down that the entries below `number` are delivered, and removes their segments.

        Raises `OSError`; then call it again.
        """
        self._cursor.settle(number)
        done = [segment for segment in self._segments if segment.end <= number]
        self._cursor.store(sync=bool(done))  # missing entries must not look lost after a crash
        for segment in done:
            self._segments.remove(segment)
            self.full = False
        self.bytes = self._segments.bytes


def _groups(batches: Iterable[Batch], enough: int) -> Iterator[tuple[list[Batch], int]]:
    """The batches of each record, and the bytes of memory that they take."""
    group: list[Batch] = []
    size = 0
    for batch in batches:
        group.append(batch)
        size += batch.size
        if size >= enough:
            yield group, size
            group, size = [], 0
    if group:
        yield group, size
