"""A spool with one file per record, to be held against `pipeline.buffer.spool.Spool`.

    00000000000000012345-1000-21804-187301-262144-5f0c8a21.record

The name holds all that a header would: number of the first entry, entries, bytes of the payload,
the same before compression, bytes of memory (`Batch.size`), CRC-32 of the name's numbers and the
payload. The file holds the payload and nothing else. A file that is delivered is removed; there is
no cursor. No lock and no limit either: this is for measuring only, see
docs/decisions/0013-one-file-per-record-batch.md.
"""

from __future__ import annotations

import os
import re
import zlib
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from pipeline.buffer.columns import ColumnCodec
from pipeline.buffer.reader import Chunk
from pipeline.buffer.segment import sync_folder
from pipeline.buffer.spool import RECORD_SIZE
from pipeline.model.batch import Batch

_NAME = re.compile(r"(\d{20})-(\d+)-(\d+)-(\d+)-(\d+)-([0-9a-f]{8})\.record")


class Record(NamedTuple):
    """What the name of a file says."""

    number: int
    """Of its first entry: how many were written before."""
    entries: int
    length: int
    """Bytes of the payload."""
    plain: int
    """Bytes of the payload before compression."""
    size: int
    """`Batch.size` of all its batches."""
    crc: int

    @property
    def end(self) -> int:
        return self.number + self.entries

    @property
    def name(self) -> str:
        return f"{self.number:020d}-{'-'.join(map(str, self[1:5]))}-{self.crc:08x}.record"

    def crc_of(self, payload: bytes) -> int:
        """What `crc` is where neither the name nor the payload is damaged."""
        return zlib.crc32(payload, zlib.crc32(repr(self[:5]).encode()))


class FileSpool:
    """Has the calls of `Spool` that a benchmark needs. Everything here may block."""

    def __init__(self, folder: Path, record_size: int = RECORD_SIZE) -> None:
        """`record_size`: bytes of memory that one file gathers."""
        self.folder = folder
        self.record_size = record_size
        self.settled = 0
        """Entries below are delivered."""
        self.end = 0
        """Number of the next entry; all below are safe."""
        self._columns = ColumnCodec()
        self._records: list[Record] = []

    @property
    def bytes(self) -> int:
        """Of all files."""
        return sum(record.length for record in self._records)

    def open(self) -> None:
        """Lists the files, and removes the last one where it was not written whole: that was never
        said to be safe. Reads no payload. Raises `OSError`."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.scandir(self.folder) as found:
            named = [_NAME.fullmatch(file.name) for file in found]
        self._records = sorted(
            Record(*map(int, name.groups()[:5]), int(name[6], 16)) for name in named if name
        )
        if self._records:
            last = self.folder / self._records[-1].name
            if last.stat().st_size < self._records[-1].length:
                last.unlink()
                self._records.pop()
        self.settled = self._records[0].number if self._records else 0
        self.end = self._records[-1].end if self._records else self.settled
        sync_folder(self.folder)

    def close(self) -> None:
        """There is nothing to let go of."""

    def append(self, batches: Iterable[Batch], _handed_out: int = 0) -> None:
        """Writes batches and makes them safe: one fsync of each file, then one of the folder.
        Raises `OSError`; then nothing of them is left behind where it can be removed."""
        made: list[Record] = []
        try:
            for group, size in _groups(batches, self.record_size):
                payload, plain = self._columns.encode(group)
                number = made[-1].end if made else self.end
                record = Record(number, sum(map(len, group)), len(payload), plain, size, 0)
                record = record._replace(crc=record.crc_of(payload))
                made.append(record)
                self._write(self.folder / record.name, payload)
            sync_folder(self.folder)
        except OSError:
            for record in made:
                with suppress(OSError):
                    (self.folder / record.name).unlink()
            raise
        self._records += made
        self.end = made[-1].end if made else self.end

    def _write(self, path: Path, payload: bytes) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            view = memoryview(payload)
            while view:
                view = view[os.write(descriptor, view) :]
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)

    def read(self, position: int, end: int, limit: int) -> Chunk:
        """Batches of `[position, end)`, up to `limit` bytes of memory but at least one record's.
        What is missing between two files, or damaged, counts as lost."""
        chunk = Chunk(position)
        at = bisect_right(self._records, position, key=lambda record: record.end)
        for record in islice(self._records, at, None):
            if record.number >= end or (chunk.batches and chunk.size + record.size > limit):
                break
            chunk.lost += max(0, record.number - chunk.position)
            batches = self._decode(record)
            if batches is None:
                chunk.lost += record.end - max(record.number, chunk.position)
            number = record.number
            for batch in batches or ():
                number += len(batch)
                if number > chunk.position:
                    chunk.batches.append((number, batch))
            chunk.position, chunk.size = record.end, chunk.size + record.size
        return chunk

    def _decode(self, record: Record) -> list[Batch] | None:
        try:
            payload = (self.folder / record.name).read_bytes()
        except OSError:
            return None
        if record.crc_of(payload) != record.crc:
            return None
        return self._columns.decode(payload, record.plain)

    def settle(self, number: int) -> None:
        """Entries below are delivered: removes the files that hold no others. Raises `OSError`."""
        self.settled = number
        done = bisect_right(self._records, number, key=lambda record: record.end)
        for record in self._records[:done]:
            (self.folder / record.name).unlink(missing_ok=True)
        del self._records[:done]


def _groups(batches: Iterable[Batch], enough: int) -> Iterator[tuple[Sequence[Batch], int]]:
    """Batches for one file each, and the memory that they take."""
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
