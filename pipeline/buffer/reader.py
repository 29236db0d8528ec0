"""Reads the entries of a spool in order, and skips what is damaged or missing."""

from __future__ import annotations

import logging
import zlib
from dataclasses import dataclass, field

from pipeline.buffer.columns import ColumnCodec, Origin
from pipeline.buffer.cursor import SpoolCursor
from pipeline.buffer.record import Header
from pipeline.buffer.segment import Segment
from pipeline.buffer.segments import Segments
from pipeline.model.batch import Batch
from pipeline.support.plural import plural
from pipeline.support.rate_limit import RateLimit

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Chunk:
    """What one call of `SpoolReader.read` found."""

    position: int
    """Number of the entry to read next."""
    batches: list[tuple[int, Batch]] = field(default_factory=list)
    """In order, each with the number of the entry after its last one."""
    size: int = 0
    """Bytes of memory that the batches take (`Batch.size`)."""
    lost: int = 0
    """How many entries should have been there, and weren't."""


class SpoolReader:
    """Reads from a position that the caller gives each time, so a lost result can be read again.

    Everything here may block.
    """

    def __init__(self, segments: Segments, cursor: SpoolCursor, columns: ColumnCodec) -> None:
        self._segments = segments
        self._cursor = cursor
        self._columns = columns
        self._place: tuple[int, Segment, int] | None = None
        """Where the last call ended: position, segment, and offset in the segment."""
        self._damaged = RateLimit()

    def read(self, position: int, end: int, limit: int) -> Chunk:
        """Reads entries `[position, end)`: up to `limit` bytes of memory, but at least a record.

        A segment that can't be read is set aside, and its entries count as lost. Raises `OSError`
        if that fails too: then something else than the segment is broken, so try again later.
        """
        chunk = Chunk(position)
        while chunk.position < end and (segment := self._segments.at(chunk.position)) is not None:
            try:
                if self._read(segment, chunk, end, limit):
                    return chunk
            except OSError as error:
                try:
                    self._segments.set_aside(segment, error.strerror)
                except OSError:
                    if chunk.position > position:
                        return chunk
                    raise
        self._pass_over(chunk, end)
        return chunk

    def _read(self, segment: Segment, chunk: Chunk, end: int, limit: int) -> bool:
        """Reads on in one segment. True when the chunk is as large as it may be."""
        offset = 0
        if self._place is not None and self._place[:2] == (chunk.position, segment):
            offset = self._place[2]
        while (found := segment.record(offset)) is not None:
            header, start = found
            if header.number >= end:
                break
            if header.end > chunk.position:
                if chunk.batches and chunk.size + header.size > limit:
                    self._place = chunk.position, segment, offset
                    return True
                self._take(segment, header, start, chunk)
            offset = start + header.length
        self._pass_over(chunk, min(segment.end, end))
        self._place = chunk.position, segment, offset
        if segment is not self._segments.active:
            segment.close()
        return False

    def _take(self, segment: Segment, header: Header, start: int, chunk: Chunk) -> None:
        self._pass_over(chunk, header.number)
        batches = self._decode(segment, header, start)
        if batches is None:
            self._pass_over(chunk, header.end)
            return
        number = header.number
        for batch in batches:
            number += len(batch)
            if number > chunk.position:
                chunk.batches.append((number, batch))
        chunk.position = header.end
        chunk.size += header.size

    def _pass_over(self, chunk: Chunk, number: int) -> None:
        """Skips to an entry. Those in between are lost, unless the policy dropped them."""
        if number > chunk.position:
            chunk.lost += self._cursor.missing(chunk.position, number)
            chunk.position = number

    def whose(self, segment: Segment, header: Header, start: int) -> list[tuple[Origin, int]]:
        """For each batch of a record its origin and number of entries; none if it is damaged.

        `start`: offset of the record's payload. Raises `OSError`.
        """
        payload = self._payload(segment, header, start)
        return [] if payload is None else self._columns.whose(payload, header.plain)

    def _decode(self, segment: Segment, header: Header, start: int) -> list[Batch] | None:
        """The batches of a record; None if it is damaged. Raises `OSError` or `MemoryError`."""
        payload = self._payload(segment, header, start)
        if payload is None:
            return None
        try:
            return self._columns.decode(payload, header.plain)
        except MemoryError:  # they are there, and are read when there is memory again
            raise
        except Exception:  # the checksum is right, so this is a bug and no damage
            noun = plural(header.entries, "entry")
            log.exception("%s: %d %s cannot be decoded", segment.path, header.entries, noun)
            return None

    def _payload(self, segment: Segment, header: Header, start: int) -> bytes | None:
        payload = segment.read(start, header.length)
        if zlib.crc32(payload) == header.crc:
            return payload
        if count := self._damaged(header.entries):
            log.warning("%s: %d damaged %s", segment.path, count, plural(count, "entry"))
        return None
