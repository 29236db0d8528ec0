"""`Batch`: entries of one container, as columns.

Work per line is done in tight loops over the columns. What a line shares with its batch (container,
labels, a rendered prefix) is computed once per container.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import compress
from typing import Any, Final

from pipeline import native
from pipeline.model.container import USUAL_LABELS, Container, EntryKind
from pipeline.model.encode_cache import EncodeCache, Part
from pipeline.model.records import Fields, Records, nested
from pipeline.model.samples import Samples

STREAM_NAMES = ("", "stdout", "stderr")
"""The name for each number in `Batch.streams`. 0 is for entries of no stream (events, stats)."""

ENTRY_OVERHEAD = 120
"""Bytes of memory for one entry in addition to its message: two headers of bytes objects, the
timestamp, list slots (measured with tracemalloc: 115 on CPython 3.11)."""

BYTES_OF_A_BATCH = 1000
"""Bytes of memory for a batch in addition to its entries, with its acknowledgements and its item in
a buffer (measured with tracemalloc: 1,206 for a batch of one 47-byte line, 1,478 with two
fields)."""

LARGEST_PIECE = 4 << 20
"""Limit in bytes for what the entries of one batch have in common (labels and tags), written out
with each of them. Larger batches are divided by `Batch.pieces`."""
LARGEST_PAYLOAD = 8 << 20
"""Limit in bytes, by `Batch.written`, for what is taken from a buffer at once, unless a sink asks
for more."""

BYTES_OF_FIELDS = 150
"""Bytes of memory for an entry's dictionary of fields, without the fields."""
BYTES_OF_A_FIELD = 25
"""Bytes of memory for each field in it. Values are shared, or as large as the message (measured
with tracemalloc: 216 bytes for up to five fields, 303 for ten, 863 for thirty)."""

BYTES_OF_A_NESTED = 150
"""Bytes of memory for a list or an object in a field, in addition to its text (measured with
tracemalloc: 53 for an empty one, 137 for a short one in a list, 215 for a usual object)."""
USUAL_NESTED = 16
"""Lists and objects in an entry up to which each counts as `BYTES_OF_A_NESTED`. No usual log has
more."""
BYTES_OF_AN_UNUSUAL = 600
"""Bytes that each further list or object counts as. The garbage collector visits everything in the
buffers in one turn of the event loop, and ten buffers of `[{},{},{},…]` had half a million
objects."""

BYTES_OF_SAMPLES = 15_000
"""Bytes of memory for a reading of stats in addition to its message and fields (measured with
tracemalloc: 15,000 for Docker's answer with cgroup v1, 12,000 with v2, 6,000 for Podman's)."""


def text_size(lines: list[bytes]) -> int:
    """Bytes of these messages together."""
    return native.total(lines)


class Batch:
    """Entries of one container, as columns of equal length.

    A batch is content only. Its `Envelope` has the account and the acknowledgement.

    All lanes and sinks share one batch, so its columns must never be changed. A stage returns a new
    batch (`select`, `replace`). The dictionaries in `fields` are an exception: the lane copies them
    before its first stage, so stages may change them in place.
    """

    __slots__ = (
        "bare",
        "cache",
        "container",
        "flags",
        "lines",
        "literal",
        "parsed",
        "parts",
        "route",
        "samples",
        "sequences",
        "source",
        "streams",
        "tagged",
        "times",
    )

    def __init__(
        self,
        container: Container,
        lines: list[bytes],
        times: list[bytes],
        streams: bytes,
        sequences: Sequence[int],
        *,
        parts: Sequence[int] | None = None,
        source: EntryKind = "logs",
        fields: list[Fields] | None = None,
        bare: bool = False,
        flags: Mapping[int, str] | None = None,
        samples: Samples | None = None,
        tagged: int = 0,
        route: str = "",
        cache: EncodeCache | None = None,
    ) -> None:
        self.container = container
        self.source = source
        self.lines = lines
        """The messages, without their newline. They may be any bytes."""
        self.times = times
        """Timestamps in UTC, exactly 30 bytes each: `2026-01-31T23:59:59.123456789Z`."""
        self.streams = streams
        """One number per entry, an index into `STREAM_NAMES`."""
        self.sequences = sequences
        """`event.sequence` of each entry, ascending. A `range` until something is filtered out."""
        self.parts = parts
        """`event.part` of each entry: 0 for a whole entry; 1, 2, … for the parts that a stage split
        an entry into. None if all entries are whole, as almost always."""
        self.parsed: list[Fields] | Records | None = fields
        """The parsed fields as a stage left them, for code that can read `Records`. Others use
        `fields`."""
        self.literal = False
        """Whether `parsed` was read from these messages and neither has been changed since, so that
        nothing is in the fields that is not in the messages. True for records at most."""
        self.bare = bare
        """Whether the message was removed on purpose. JSON then leaves it out, and text shows the
        fields instead."""
        self.flags = flags
        """Flags of single entries, such as `truncated`, by sequence number; they hold for all parts
        of an entry. None if there are none."""
        self.samples = samples
        """For `source="stats"`: the reading that the one entry was made from."""
        self.tagged = tagged
        """Bytes of the fields that each entry has because of a label of its container
        (`dockline.tag`)."""
        self.route = route
        """Name of the route that led to the sinks; empty before that."""
        self.cache = cache
        """What it was encoded to, if several sinks share it; None for a single sink."""

    def __len__(self) -> int:
        return len(self.lines)

    def __repr__(self) -> str:
        return f"<Batch {self.source} of {self.container.name}: {len(self)} entries>"

    @property
    def fields(self) -> list[Fields] | None:
        """The parsed fields of each entry (empty if nothing was parsed), or None before any stage
        parsed.

        Values are those of JSON: str, int, float, bool, None, list, dict.
        """
        parsed = self.parsed
        if type(parsed) is Records:
            parsed = parsed.dictionaries()
            if self.cache is None:  # otherwise other sinks have it too, and write records faster
                self.parsed = parsed
        return parsed

    @property
    def size(self) -> int:
        """Bytes of memory that the batch takes: an estimate, good enough to limit a buffer."""
        size = text_size(self.lines)
        if self.parsed is not None:
            # measured: a 142-byte JSON line of nine fields is a dict of 533 to 598 bytes, and a
            # record of 414
            size *= 4 if type(self.parsed) is Records else 5
            nested = self._nested
            unusual = max(0, nested - USUAL_NESTED * len(self.lines))
            size += BYTES_OF_A_NESTED * nested
            size += (BYTES_OF_AN_UNUSUAL - BYTES_OF_A_NESTED) * unusual
        if type(self.parsed) is list:
            # each entry has its own dictionary, however small the part of the message in it
            if self.parts is not None:
                size += sum(BYTES_OF_FIELDS + BYTES_OF_A_FIELD * len(one) for one in self.parsed)
            elif self.parsed:  # what stages have set is about the same in all entries
                one = BYTES_OF_FIELDS + BYTES_OF_A_FIELD * len(self.parsed[0]) + self._set
                size = max(size, one * len(self.parsed))
        if self.samples is not None:
            size += BYTES_OF_SAMPLES
        burden = self.container.burden + self.tagged
        return BYTES_OF_A_BATCH + size + (ENTRY_OVERHEAD + burden) * len(self.lines)

    @property
    def _nested(self) -> int:
        """Lists and objects in the fields: an estimate by the brackets in the messages."""
        lines = self.lines
        found = native.occurrences(lines, b"[{") - len(lines)
        if found > USUAL_NESTED * len(lines):  # or they are brackets in plain text
            objects = [line for line in lines if line[:64].lstrip().startswith(b"{")]
            found = native.occurrences(objects, b"[{") - len(objects)
        return max(0, found)

    @property
    def _set(self) -> int:
        """Bytes of the strings in the first entry's fields, without tags. A stage may have set them
        from the container's labels."""
        parsed = self.parsed
        if type(parsed) is not list or not parsed:
            return 0
        texts = sum([len(one) for one in parsed[0].values() if type(one) is str])
        return max(0, texts - self.tagged)

    @property
    def dataset(self) -> str:
        """`event.dataset` of the entries, such as `docker.logs` or `syslog.logs`."""
        return f"{self.container.module}.{self.source}"

    @property
    def values(self) -> int:
        """An estimate of the number of fields, and of values in their lists and objects.

        The commas in the messages are counted for it, since values in JSON are separated by commas.
        """
        parsed = self.parsed
        if parsed is None:
            return 0
        if type(parsed) is Records:
            fields = len(parsed.shape.names) * len(parsed)
        else:
            fields = sum([len(one) + nested(one) for one in parsed])
        return max(fields, native.occurrences(self.lines, b","))

    @property
    def identities(self) -> Sequence[Any]:
        """For each entry, what tells it from all others of its container and source: its number, or
        number and part."""
        if self.parts is None:
            return self.sequences
        return list(zip(self.sequences, self.parts, strict=True))

    def replace(self, **columns: Any) -> Batch:
        """The same batch with other columns, such as `lines=` or `fields=`.

        Other columns are shared with this batch; `cache` is None unless it is given, and with other
        messages or fields `literal` is False unless it is given. Raises `TypeError` for a name that
        is no column.
        """
        new = self._copied()
        if "fields" in columns:
            columns["parsed"] = columns.pop("fields")
        if "parsed" in columns or "lines" in columns:
            new.literal = False
        for name, column in columns.items():
            if name not in _COLUMNS:
                raise TypeError(f"a batch has no column {name}")
            setattr(new, name, column)
        return new

    def owned(self) -> Batch:
        """The same batch with fields that may be changed: dictionaries are copied. Records stay as
        they are, since nobody changes them in place; `fields` makes dictionaries of them."""
        parsed = self.parsed
        if type(parsed) is Records or parsed is None:
            return self.replace()
        return self.replace(parsed=[dict(fields) for fields in parsed])

    def routed(self, route: str, cache: EncodeCache | None) -> Batch:
        """The same batch for the sinks of a route. `cache`: given if there are several sinks."""
        new = self._copied()
        new.route = route
        new.cache = cache
        return new

    def _copied(self) -> Batch:
        """The same batch without a cache. Every batch passes here several times, so it is written
        out: 0.5 µs instead of 3."""
        new = Batch.__new__(Batch)
        new.container = self.container
        new.source = self.source
        new.lines = self.lines
        new.times = self.times
        new.streams = self.streams
        new.sequences = self.sequences
        new.parts = self.parts
        new.parsed = self.parsed
        new.literal = self.literal
        new.bare = self.bare
        new.flags = self.flags
        new.samples = self.samples
        new.tagged = self.tagged
        new.route = self.route
        new.cache = None
        return new

    def encoded_once(self, encoding: Hashable, encode: Callable[[Batch], Part]) -> Part:
        """`encode(self)`, or what another sink has made of this batch.

        `encoding` names all that the result depends on, except the batch. `encode` returns bytes,
        and how many of the entries were cut.
        """
        cache = self.cache
        return encode(self) if cache is None else cache.once(encoding, encode, self)

    def marked(self, name: str, values: Mapping[int, Any]) -> Batch:
        """The same entries, with the field `name` set for the indexes in `values`.

        For stages: it changes the dictionaries in `fields`.
        """
        fields = self.fields
        if fields is None:
            fields = [{} for _ in self.lines]
        for index, value in values.items():
            fields[index][name] = value
        return self.replace(fields=fields)

    def select(self, keep: Sequence[Any]) -> Batch | None:
        """The entries for which the item in `keep` is true, in order; None if there are none.

        `keep` has one item for each entry; a list of `True` and `False` is fastest.
        """
        lines, times, streams, sequences, parts, parsed = self._cells(keep)
        if len(lines) == len(self.lines):
            return self
        if not lines:
            return None
        new = self._copied()  # not `replace`, which takes 2 µs for so many columns
        new.lines = lines
        new.times = times
        new.streams = streams
        new.sequences = sequences
        new.parts = parts
        new.parsed = _some(self.parsed, parsed)
        return new

    def _cells(self, keep: Sequence[Any]) -> tuple[Any, ...]:
        """For each column, the cells that are kept."""
        columns = self.lines, self.times, self.streams, self.sequences, self.parts, self.parsed
        if (cells := native.select(columns, keep)) is not None:
            return cells
        return (
            list(compress(self.lines, keep)),
            list(compress(self.times, keep)),
            bytes(compress(self.streams, keep)),
            list(compress(self.sequences, keep)),
            None if self.parts is None else list(compress(self.parts, keep)),
            compress(self.parsed or (), keep),
        )

    def written(self, size: int) -> int:
        """An estimate of the bytes that most sinks write for this batch: each entry is written with
        its container's facts and tags. `size`: the batch's `size`."""
        usual = min(self.container.facts_size, USUAL_LABELS)
        return size + usual * len(self.lines)

    def pieces(self, more: int = 0) -> Iterable[Batch]:
        """The same entries in order, as batches small enough to be written.

        A sink writes each entry with what all have in common: labels and tags. A piece has at most
        `LARGEST_PIECE` bytes of that. `more`: bytes that will be added to each entry.
        """
        common = self.container.facts_size + self.tagged + self._set + more
        if len(self.lines) * common <= LARGEST_PIECE:
            return (self,)
        return self._pieces(max(1, LARGEST_PIECE // common))

    def _pieces(self, most: int) -> Iterator[Batch]:
        for start in range(0, len(self), most):
            yield self.pick(range(start, min(start + most, len(self))))

    def part(self, start: int, stop: int) -> Batch:
        """The entries from index `start` up to but not including `stop`, at least one."""
        parsed = self.parsed
        some = parsed[start:stop] if parsed is not None else ()
        return self.replace(
            lines=self.lines[start:stop],
            times=self.times[start:stop],
            streams=self.streams[start:stop],
            sequences=self.sequences[start:stop],
            parts=None if self.parts is None else self.parts[start:stop],
            parsed=_some(parsed, some),
            literal=self.literal,
        )

    def pick(self, indexes: Sequence[int]) -> Batch:
        """The entries at `indexes`, at least one. Fast for a few entries of many."""
        parsed, parts = self.parsed, self.parts
        return self.replace(
            lines=[self.lines[index] for index in indexes],
            times=[self.times[index] for index in indexes],
            streams=bytes([self.streams[index] for index in indexes]),
            sequences=[self.sequences[index] for index in indexes],
            parts=None if parts is None else [parts[index] for index in indexes],
            parsed=_some(parsed, [parsed[index] for index in indexes] if parsed else ()),
            literal=self.literal,
        )


_COLUMNS: Final = frozenset(Batch.__slots__)


def _some(
    parsed: list[Fields] | Records | None, some: Iterable[Any]
) -> list[Fields] | Records | None:
    """Some of the entries of the `parsed` column, in a column of the same type."""
    if type(parsed) is Records:
        return Records(parsed.shape, some)
    return None if parsed is None else list(some)
