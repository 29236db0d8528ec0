"""Whether a store has everything: gaps and repeats in `event.sequence`, container by container.

Of what one entry was split into, each part counts for itself, by its `event.part`; the number is
there where one of them is.

Takes entries as the JSON sinks write them, and as stores give them back: with flattened names
(`"container.id"`, as VictoriaLogs exports), inside a hit's `_source` (Elasticsearch), with the
names that Loki takes (`container_id`), among its `labels` or not, with numbers made text. In any
order. Logs, events and stats are counted apart, by `event.dataset`.

Memory is bounded by the number of gaps and repeats, not of entries: of a run of numbers only its
ends are kept. In a shuffled input there are many runs for a while (some 200 bytes each); and of
each entry that was split, the parts are a run that stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from operator import itemgetter
from typing import Any, BinaryIO

import msgspec

BLOCK = 1 << 20
LONGEST = 64 << 20
"""Bytes of a line; a longer one is skipped, and counted as rubbish."""
SHOWN = 5
"""Lines of rubbish that are remembered, with what is wrong with them."""
FEWEST = 1000
"""Runs that are gathered, at least, before they are put among the others."""

Time = str | int | float | None
Run = tuple[int, int, Time, Time]
"""First and last number of a run without a gap, and the timestamps of these two."""
PARTS = 1 << 64
"""More than an entry has parts: what stands for one is so many times its number, and its part."""


@dataclass(frozen=True)
class Gap:
    """Numbers that are missing, and when the entries on both sides of them were logged."""

    first: int
    last: int
    after: Time
    before: Time

    @property
    def count(self) -> int:
        return self.last - self.first + 1


@dataclass
class Rubbish:
    """Lines that are no entries of ours, and the first few of them: where, and what is wrong."""

    count: int = 0
    first: list[tuple[str, int, str]] = field(default_factory=list)

    def add(self, name: str, number: int, reason: str) -> None:
        self.count += 1
        if len(self.first) < SHOWN:
            self.first.append((name, number, reason))


class Numbers:
    """Numbers in any order, and which of them came more than once."""

    def __init__(self) -> None:
        self._runs: list[Run] = []
        """Sorted, with a gap between each and the next."""
        self._new: list[Run] = []
        self._repeated: list[Run] = []
        # The run that grows while the numbers come in order, which is nearly always.
        self._first, self._last = 0, -1
        self._began: Time = None
        self._ended: Time = None

    def add(self, number: int, time: Time) -> None:
        if number == self._last + 1:
            self._last, self._ended = number, time
            return
        self._end_run()
        self._first = self._last = number
        self._began = self._ended = time
        if len(self._new) > FEWEST + len(self._runs) // 2:
            self._merge()

    @property
    def last_added(self) -> int:
        """-1 where nothing was."""
        return self._last

    @property
    def runs(self) -> list[Run]:
        """Those seen, sorted, with a gap between each and the next."""
        self._end_run()
        self._merge()
        return self._runs

    @property
    def repeated(self) -> list[Run]:
        self._end_run()
        self._merge()
        return self._repeated

    def _end_run(self) -> None:
        if self._last >= self._first:
            self._new.append((self._first, self._last, self._began, self._ended))
        self._first, self._last = 0, -1

    def _merge(self) -> None:
        if self._new:
            self._runs, again = merge(self._runs + self._new)
            self._new = []
            self._repeated, _ = merge(self._repeated + again)


class Series:
    """The numbers seen of one container and one dataset. It has at least one."""

    def __init__(self, container: str, name: str, dataset: str) -> None:
        self.container = container
        """Its id, or its name where the store has no id."""
        self.name = name
        self.dataset = dataset
        self.entries = 0
        self._whole = Numbers()
        self._split: Numbers | None = None
        """Those of which there are parts."""
        self._parts = Numbers()
        """What stands for each of them."""

    def add(self, number: int, time: Time, part: int = 0) -> None:
        self.entries += 1
        if not part:
            self._whole.add(number, time)
            return
        if self._split is None:
            self._split = Numbers()
        if number != self._split.last_added:
            self._split.add(number, time)
        self._parts.add(number * PARTS + part, None)

    @property
    def runs(self) -> list[Run]:
        """Those seen, sorted, with a gap between each and the next."""
        whole = self._whole.runs
        return whole if self._split is None else merge(whole + self._split.runs)[0]

    @property
    def first(self) -> int:
        return self.runs[0][0]

    @property
    def last(self) -> int:
        return self.runs[-1][1]

    @property
    def gaps(self) -> Iterator[Gap]:
        """Between the first and the last number seen."""
        for (_, end, _, after), (start, _, before, _) in pairwise(self.runs):
            yield Gap(end + 1, start - 1, after, before)

    @property
    def missing(self) -> int:
        """Numbers that should be there between the first and the last."""
        runs = self.runs
        return runs[-1][1] - runs[0][0] + 1 - _count(runs)

    @property
    def repeats(self) -> int:
        """Entries that there would not be if each came once."""
        return self.entries - _count(self._whole.runs) - _count(self._parts.runs)

    @property
    def repeated(self) -> list[tuple[int, int]]:
        """First and last of the numbers of which something came more than once, sorted."""
        repeated = self._whole.repeated
        if self._split is not None:
            parts = self._parts.repeated
            of = [(first // PARTS, last // PARTS, None, None) for first, last, *_ in parts]
            repeated, _ = merge([*repeated, *of])
        return [(first, last) for first, last, *_ in repeated]


def _count(runs: Iterable[Run]) -> int:
    return sum(last - first + 1 for first, last, *_ in runs)


def merge(runs: list[Run]) -> tuple[list[Run], list[Run]]:
    """Their union, sorted, and what of each was in those before it already."""
    runs.sort(key=itemgetter(0))  # nearly sorted: the old ones are
    union: list[Run] = []
    again: list[Run] = []
    first, end, began, ended = runs[0] if runs else (0, -1, None, None)
    for run in runs[1:]:
        start, last, _, time = run
        if start > end + 1:
            union.append((first, end, began, ended))
            first, end, began, ended = run
            continue
        if start <= end:
            again.append((start, min(last, end), None, None))
        if last > end:
            end, ended = last, time
    if runs:
        union.append((first, end, began, ended))
    return union, again


# ------------------------------------------------------------------------------------- lines


class _Container(msgspec.Struct):
    id: str | None = None
    name: str | None = None


class _Event(msgspec.Struct):
    sequence: int | float | str | None = None
    part: int | float | str | None = None
    dataset: str | None = None


_NOTHING = msgspec.Raw()


class _Entry(msgspec.Struct):
    """What matters of a line, wherever a store has put it. The rest is skipped undecoded."""

    container: _Container | None = None
    event: _Event | None = None
    time: Time = msgspec.field(default=None, name="@timestamp")
    flat_id: str | None = msgspec.field(default=None, name="container.id")
    flat_name: str | None = msgspec.field(default=None, name="container.name")
    flat_sequence: int | float | str | None = msgspec.field(default=None, name="event.sequence")
    flat_dataset: str | None = msgspec.field(default=None, name="event.dataset")
    flat_part: int | float | str | None = msgspec.field(default=None, name="event.part")
    # These two may also be fields that somebody's application logs: looked at when needed.
    flat_time: Any = msgspec.field(default=None, name="_time")
    source: msgspec.Raw = msgspec.field(default=_NOTHING, name="_source")


class _LokiEntry(msgspec.Struct):
    """The same as the sink `loki` names it, and as `logcli query --output jsonl` prints it."""

    container_id: str | None = None
    container_name: str | None = None
    event_sequence: int | float | str | None = None
    event_part: int | float | str | None = None
    event_dataset: str | None = None
    time: Any = msgspec.field(default=None, name="_time")
    timestamp: Any = None
    labels: msgspec.Raw = _NOTHING


_NO_CONTAINER = _Container()
_NO_EVENT = _Event()
LOGS = "docker.logs"
"""What an entry is without an `event.dataset`."""


class Verifier:
    """Takes lines, and knows of each container what is missing and what came twice."""

    def __init__(self) -> None:
        self.rubbish = Rubbish()
        self._series: dict[tuple[str, str], Series] = {}
        self._decode = msgspec.json.Decoder(_Entry).decode
        self._decode_loki = msgspec.json.Decoder(_LokiEntry).decode

    @property
    def series(self) -> list[Series]:
        """By name."""
        return sorted(self._series.values(), key=lambda one: (one.name, one.container, one.dataset))

    def read(self, stream: BinaryIO, name: str) -> None:
        """All lines of a stream, of this name where rubbish is told. Raises what reading does."""
        before = 0
        for block in blocks(stream):
            self.take(block, name, before)
            before += len(block)

    def take(self, lines: Iterable[bytes | None], name: str = "", before: int = 0) -> None:
        """Some lines, with so many before them; one that is None was too long."""
        for number, line in enumerate(lines, before + 1):
            if not line:
                if line is None:
                    self.rubbish.add(name, number, f"it is longer than {LONGEST >> 20} MiB")
                continue
            try:
                self._take(self._decode(line), line)
            except (msgspec.MsgspecError, ValueError, RecursionError) as error:
                if line.strip():
                    self.rubbish.add(name, number, str(error))

    def _take(self, entry: _Entry, line: bytes | msgspec.Raw) -> None:
        event = entry.event or _NO_EVENT
        sequence = event.sequence if event.sequence is not None else entry.flat_sequence
        if sequence is None and entry.source:
            self._take(self._decode(entry.source), entry.source)
            return
        if sequence is None:
            entry = self._of_loki(line)
            event, sequence = _NO_EVENT, entry.flat_sequence
        if type(sequence) is not int:
            sequence = _number(sequence)
        if sequence < 1:
            raise ValueError("its event.sequence is less than 1")
        given = event.part if event.part is not None else entry.flat_part
        part = 0 if given is None else _number(given, "event.part")
        if part >= PARTS:
            raise ValueError("its event.part is no number that counts")
        container = entry.container or _NO_CONTAINER
        identity = container.id or entry.flat_id or container.name or entry.flat_name
        if not identity:
            raise ValueError("it has no container.id")
        dataset = event.dataset or entry.flat_dataset or LOGS
        series = self._series.get((identity, dataset))
        if series is None:
            name = container.name or entry.flat_name or identity
            series = self._series[identity, dataset] = Series(identity, name, dataset)
        time = entry.time if entry.time is not None else _time(entry.flat_time)
        series.add(sequence, time, part)

    def _of_loki(self, line: bytes | msgspec.Raw) -> _Entry:
        """With a sequence, where it is one of Loki's."""
        try:
            it = self._decode_loki(line)
            at = it.time if it.timestamp is None else it.timestamp
            if it.event_sequence is None and it.labels:
                it = self._decode_loki(it.labels)
        except msgspec.ValidationError:
            return _Entry()
        return _Entry(
            flat_id=it.container_id,
            flat_name=it.container_name,
            flat_sequence=it.event_sequence,
            flat_part=it.event_part,
            flat_dataset=it.event_dataset,
            flat_time=at,
        )


def _number(value: int | float | str | None, what: str = "event.sequence") -> int:
    """Of a store that made text or a floating-point number of it."""
    if value is None:
        raise ValueError(f"it has no {what}")
    try:
        number = int(value)
    except (ValueError, OverflowError):
        number = -1
    if number < 0 or (isinstance(value, float) and number != value):
        raise ValueError(f"its {what} is no number that counts")
    return number


def _time(value: Any) -> Time:
    return value if isinstance(value, (str, int, float)) else None


def blocks(stream: BinaryIO) -> Iterator[list[bytes | None]]:
    """The lines of a stream, some at a time, in a bounded amount of memory: one that is longer
    than `LONGEST` is None."""
    rest, skipping = b"", False
    while data := stream.read(BLOCK):
        lines: list[bytes | None] = [*(rest + data).split(b"\n")]
        last = lines.pop() or b""
        if skipping and lines:
            lines[0], skipping = None, False
        skipping = skipping or len(last) > LONGEST
        rest = b"" if skipping else last
        yield lines
    if rest or skipping:
        yield [None if skipping else rest]
