"""Reads entries as JSON lines, as the JSON sinks write them and as stores return them.

An entry may have flattened names (`"container.id"`, as VictoriaLogs exports), stand inside the
`_source` of a hit (Elasticsearch), or have the names that Loki accepts (`container_id`), among its
`labels` or not. Numbers may be text. Logs, events and stats are counted separately, by
`event.dataset`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import msgspec

from pipeline.cli.audit.sequences import PARTS, Series, Time

BLOCK = 1 << 20
"""Bytes read at a time."""
LONGEST = 64 << 20
"""Bytes of a line. A longer line is skipped, and counted as rubbish."""
SHOWN = 5
"""Lines of rubbish that are remembered, each with what is wrong with it."""
LOGS = "docker.logs"
"""The dataset of an entry that has no `event.dataset`."""


@dataclass
class Rubbish:
    """Lines that are not entries of dockline: how many, and what is wrong with the first few."""

    count: int = 0
    first: list[tuple[str, int, str]] = field(default_factory=list)
    """File, line number (from 1) and reason."""

    def add(self, name: str, number: int, reason: str) -> None:
        """Counts line `number` of the file `name`."""
        self.count += 1
        if len(self.first) < SHOWN:
            self.first.append((name, number, reason))


class _Container(msgspec.Struct):
    id: str | None = None
    name: str | None = None


class _Event(msgspec.Struct):
    sequence: int | float | str | None = None
    part: int | float | str | None = None
    dataset: str | None = None


_NOTHING = msgspec.Raw()


class _Entry(msgspec.Struct):
    """What is needed of a line, in any place where a store may put it. The rest isn't decoded."""

    container: _Container | None = None
    event: _Event | None = None
    time: Time = msgspec.field(default=None, name="@timestamp")
    flat_id: str | None = msgspec.field(default=None, name="container.id")
    flat_name: str | None = msgspec.field(default=None, name="container.name")
    flat_sequence: int | float | str | None = msgspec.field(default=None, name="event.sequence")
    flat_dataset: str | None = msgspec.field(default=None, name="event.dataset")
    flat_part: int | float | str | None = msgspec.field(default=None, name="event.part")
    # An application may log fields of these two names, too: only read when needed.
    flat_time: Any = msgspec.field(default=None, name="_time")
    source: msgspec.Raw = msgspec.field(default=_NOTHING, name="_source")


class _LokiEntry(msgspec.Struct):
    """An entry as the sink `loki` writes it, and as `logcli query --output jsonl` prints it."""

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


class Verifier:
    """Reads entries, and finds for each container which are missing and which are repeated."""

    def __init__(self) -> None:
        self.rubbish = Rubbish()
        self._series: dict[tuple[str, str], Series] = {}
        self._decode = msgspec.json.Decoder(_Entry).decode
        self._decode_loki = msgspec.json.Decoder(_LokiEntry).decode

    @property
    def series(self) -> list[Series]:
        """One for each container and dataset, sorted by the container's name."""
        return sorted(self._series.values(), key=lambda one: (one.name, one.container, one.dataset))

    def read(self, stream: BinaryIO, name: str) -> None:
        """Reads all lines of a stream. `name` is the file's name in the list of rubbish.

        Raises what reading the stream raises: `OSError`; of gzip also `EOFError`, `zlib.error`.
        """
        before = 0
        for block in blocks(stream):
            self.take(block, name, before)
            before += len(block)

    def take(self, lines: Iterable[bytes | None], name: str = "", before: int = 0) -> None:
        """Reads some lines of a file. None stands for a line that was too long.

        `before`: how many lines of the file came earlier, for line numbers.
        """
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
        """The line as an entry of Loki's. It has no sequence number if it isn't one."""
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
    """A number that the store may have as text or as a floating-point number.

    Raises `ValueError`, with a reason for the user, when it isn't a whole number from 0.
    """
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
    """The lines of a stream, in lists of about `BLOCK` bytes.

    A line longer than `LONGEST` is None, so memory is bounded.
    """
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
