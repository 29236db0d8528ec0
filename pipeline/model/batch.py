"""A `Batch`: entries of one container, as columns.

Work per line is done in tight loops over the columns of a batch. What a line shares with its
batch (container, labels, a rendered prefix) is computed once per container.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import compress
from typing import Any

from pipeline import native
from pipeline.model.container import USUAL_LABELS, Container, Source
from pipeline.model.encode_cache import EncodeCache
from pipeline.model.records import Fields, Records, nested
from pipeline.model.samples import Samples

STREAM_NAMES = ("", "stdout", "stderr")
"""Name of each number in `Batch.streams`; 0 is for what no stream carried (events, stats)."""

ENTRY_OVERHEAD = 120
"""Bytes of interpreter memory that one entry costs beside its message: two bytes objects'
headers, the timestamp, list slots (measured with tracemalloc: 115 on CPython 3.11)."""

BYTES_OF_A_BATCH = 1000
"""What a batch costs beside its entries, with the receipts and the place in a buffer that it has
(measured with tracemalloc: 1,206 bytes for one of a single line of 47, 1,478 with two fields)."""

LARGEST_PIECE = 4 << 20
"""Bytes that the entries of one batch have in common, labels and tags, once each of them is written
with its own."""
LARGEST_PAYLOAD = 8 << 20
"""Bytes, by `Batch.written`, that are taken from a buffer at once, where a sink does not ask for
more."""

BYTES_OF_FIELDS = 150
BYTES_OF_A_FIELD = 25
"""What a dictionary of fields costs, and each field in it; the values are shared, or of the size
of the message (measured with tracemalloc: 216 bytes up to five fields, 303 for ten, 863 for
thirty)."""

BYTES_OF_A_NESTED = 150
"""What a list or an object in a field costs beside its text (measured with tracemalloc: 53 bytes
for an empty one, 137 for a short one in a list, 215 for a usual object)."""
USUAL_NESTED = 16
"""Of those, in an entry: as many as any log has."""
BYTES_OF_AN_UNUSUAL = 600
"""What each of those that are more counts as: the garbage collector looks at all that is buffered
in one turn of the event loop, and ten buffers of `[{},{},{},…]` were half a million of them."""

BYTES_OF_SAMPLES = 15_000
"""What a reading of stats holds on to beside its message and fields (measured with tracemalloc:
15,000 bytes of Docker's answer with cgroup v1, 12,000 with v2, 6,000 of Podman's)."""


class Batch:
    """A run of entries of one container, as columns of equal length: content, and nothing else.
    Who accounts for it and who waits for it is said by its `Envelope`.

    Shared by every lane and sink that it reaches, so whoever holds one never changes its columns;
    a stage returns a new batch (`select`, `replace`). The dictionaries in `fields` belong to the
    lane: it copies them before its first stage, so stages may change them in place.
    """

    __slots__ = (
        "bare",
        "cache",
        "container",
        "flags",
        "lines",
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
        source: Source = "logs",
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
        """The messages, without their newline; any bytes at all."""
        self.times = times
        """Exactly 30 bytes each, UTC: `2026-01-31T23:59:59.123456789Z`."""
        self.streams = streams
        """One number per entry, an index into `STREAM_NAMES`."""
        self.sequences = sequences
        """`event.sequence` of each entry; a `range` until something was filtered out."""
        self.parts = parts
        """`event.part` of each entry: 0 for one that is whole, from 1 on for those that one was
        split into, in order; None where all are whole, as nearly always."""
        self.parsed: list[Fields] | Records | None = fields
        """The same as `fields`, as a stage has left it: for those who know how to read records."""
        self.bare = bare
        """The message was removed on purpose: JSON leaves it out, text shows the fields instead."""
        self.flags = flags
        """Rare remarks, such as `truncated`, by sequence number, and so for all parts of an entry;
        None when there are none."""
        self.samples = samples
        """For `source="stats"`: the reading that this one entry was made of."""
        self.tagged = tagged
        """Bytes of the fields that each entry has because a label of its container says so."""
        self.route = route
        """Name of the route over which it came to the sinks that have it; empty before that."""
        self.cache = cache
        """What it was encoded to, where several sinks have it; None where one sink has it alone."""

    def __len__(self) -> int:
        return len(self.lines)

    def __repr__(self) -> str:
        return f"<Batch {self.source} of {self.container.name}: {len(self)} entries>"

    @property
    def fields(self) -> list[Fields] | None:
        """Parsed fields of each entry (empty where nothing was parsed), or None before any stage
        parsed. Values are what JSON has: str, int, float, bool, None, list, dict."""
        parsed = self.parsed
        if type(parsed) is Records:
            parsed = parsed.dictionaries()
            if self.cache is None:  # else other sinks have it too, and may write records faster
                self.parsed = parsed
        return parsed

    @property
    def size(self) -> int:
        """Bytes of memory it stands for, near enough to bound a buffer by."""
        size = native.total(self.lines)
        if self.parsed is not None:
            # measured: a 142-byte JSON line of nine fields is a dict of 533 to 598 bytes, and a
            # record of 414
            size *= 4 if type(self.parsed) is Records else 5
            nested = self._nested
            unusual = max(0, nested - USUAL_NESTED * len(self.lines))
            size += BYTES_OF_A_NESTED * nested
            size += (BYTES_OF_AN_UNUSUAL - BYTES_OF_A_NESTED) * unusual
        if type(self.parsed) is list:
            # each has a dictionary of its own, however little of the message it was made of
            if self.parts is not None:
                size += sum(BYTES_OF_FIELDS + BYTES_OF_A_FIELD * len(one) for one in self.parsed)
            elif self.parsed:  # what stages have set is much the same in all of them
                one = BYTES_OF_FIELDS + BYTES_OF_A_FIELD * len(self.parsed[0]) + self._set
                size = max(size, one * len(self.parsed))
        if self.samples is not None:
            size += BYTES_OF_SAMPLES
        burden = self.container.burden + self.tagged
        return BYTES_OF_A_BATCH + size + (ENTRY_OVERHEAD + burden) * len(self.lines)

    @property
    def _nested(self) -> int:
        """Lists and objects in the fields, near enough: those in a message of JSON begin so."""
        lines = self.lines
        found = _brackets(b"".join(lines)) - len(lines)
        if found > USUAL_NESTED * len(lines):  # or the text has as many
            objects = [line for line in lines if line[:64].lstrip().startswith(b"{")]
            found = _brackets(b"".join(objects)) - len(objects)
        return max(0, found)

    @property
    def _set(self) -> int:
        """Bytes of the texts in the first entry's fields, but for tags: a stage may have set them
        to what the container's labels are."""
        parsed = self.parsed
        if type(parsed) is not list or not parsed:
            return 0
        texts = sum([len(one) for one in parsed[0].values() if type(one) is str])
        return max(0, texts - self.tagged)

    @property
    def dataset(self) -> str:
        """`event.dataset` of its entries: `docker.logs`, `syslog.logs`."""
        return f"{self.container.module}.{self.source}"

    @property
    def values(self) -> int:
        """Fields, and values in lists and objects of them, near enough: those in a message of JSON
        stand between commas."""
        parsed = self.parsed
        if parsed is None:
            return 0
        if type(parsed) is Records:
            fields = len(parsed.shape.names) * len(parsed)
        else:
            fields = sum([len(one) + nested(one) for one in parsed])
        return max(fields, b"".join(self.lines).count(b","))

    @property
    def identities(self) -> Sequence[Any]:
        """What tells each entry from all others of its container and source."""
        if self.parts is None:
            return self.sequences
        return list(zip(self.sequences, self.parts, strict=True))

    def replace(self, **columns: Any) -> Batch:
        """The same batch with other columns, such as `lines=` or `fields=`."""
        new = Batch.__new__(Batch)
        columns.setdefault("cache", None)
        if "fields" in columns:
            columns["parsed"] = columns.pop("fields")
        for name in self.__slots__:
            setattr(new, name, columns.pop(name) if name in columns else getattr(self, name))
        if columns:
            raise TypeError(f"a batch has no column {', '.join(columns)}")
        return new

    def owned(self) -> Batch:
        """The same batch with fields that may be changed. Records are nobody's: who wants to change
        them makes dictionaries of them."""
        parsed = self.parsed
        if type(parsed) is Records or parsed is None:
            return self.replace()
        return self.replace(parsed=[dict(fields) for fields in parsed])

    def routed(self, route: str, cache: EncodeCache | None) -> Batch:
        """The same batch as the sinks of a route get it, with a `cache` where these are several.
        Every batch goes through here for every route, hence written out: 0.5 µs instead of 3."""
        new = Batch.__new__(Batch)
        new.container = self.container
        new.source = self.source
        new.lines = self.lines
        new.times = self.times
        new.streams = self.streams
        new.sequences = self.sequences
        new.parts = self.parts
        new.parsed = self.parsed
        new.bare = self.bare
        new.flags = self.flags
        new.samples = self.samples
        new.tagged = self.tagged
        new.route = route
        new.cache = cache
        return new

    def marked(self, name: str, values: Mapping[int, Any]) -> Batch:
        """The same entries, the field `name` set on those at the indexes that have a value. For a
        stage: it changes the dictionaries in `fields`."""
        fields = self.fields
        if fields is None:
            fields = [{} for _ in self.lines]
        for index, value in values.items():
            fields[index][name] = value
        return self.replace(fields=fields)

    def select(self, keep: Sequence[Any]) -> Batch | None:
        """The entries whose item in `keep` is true, in order; None when none is left."""
        lines, times, streams, sequences, parts, parsed = self._cells(keep)
        if len(lines) == len(self.lines):
            return self
        if not lines:
            return None
        return self.replace(
            lines=lines,
            times=times,
            streams=streams,
            sequences=sequences,
            parts=parts,
            parsed=_some(self.parsed, parsed),
        )

    def _cells(self, keep: Sequence[Any]) -> tuple[Any, ...]:
        """Those of each column that are kept."""
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
        """Bytes that most sinks make of it, at the most and near enough: each entry is written with
        its container's facts and tags. `size`: its own."""
        usual = min(self.container.facts_size, USUAL_LABELS)
        return size + usual * len(self.lines)

    def pieces(self, more: int = 0) -> Iterable[Batch]:
        """The same entries in order, as batches that are no larger than they should be when
        each entry is written with what all have in common: labels and tags, and so many bytes
        `more` that each is going to get."""
        common = self.container.facts_size + self.tagged + self._set + more
        if len(self.lines) * common <= LARGEST_PIECE:
            return (self,)
        return self._pieces(max(1, LARGEST_PIECE // common))

    def _pieces(self, most: int) -> Iterator[Batch]:
        for start in range(0, len(self), most):
            yield self.pick(range(start, min(start + most, len(self))))

    def part(self, start: int, stop: int) -> Batch:
        """The entries from one index to before another, one or more."""
        parsed = self.parsed
        some = parsed[start:stop] if parsed is not None else ()
        return self.replace(
            lines=self.lines[start:stop],
            times=self.times[start:stop],
            streams=self.streams[start:stop],
            sequences=self.sequences[start:stop],
            parts=None if self.parts is None else self.parts[start:stop],
            parsed=_some(parsed, some),
        )

    def pick(self, indexes: Sequence[int]) -> Batch:
        """The entries at these indexes, one or more: for a few of many, at their own cost."""
        parsed, parts = self.parsed, self.parts
        return self.replace(
            lines=[self.lines[index] for index in indexes],
            times=[self.times[index] for index in indexes],
            streams=bytes([self.streams[index] for index in indexes]),
            sequences=[self.sequences[index] for index in indexes],
            parts=None if parts is None else [parts[index] for index in indexes],
            parsed=_some(parsed, [parsed[index] for index in indexes] if parsed else ()),
        )


def _some(
    parsed: list[Fields] | Records | None, some: Iterable[Any]
) -> list[Fields] | Records | None:
    """Those entries of a column."""
    if type(parsed) is Records:
        return Records(parsed.shape, some)
    return None if parsed is None else list(some)


def _brackets(text: bytes) -> int:
    return text.count(b"[") + text.count(b"{")
