"""Joins lines that belong together to one entry, above all stack traces.

    { join = "python" }
    { join = '^\\d{4}-\\d{2}-\\d{2} ' }
    { join = { continue = '^\\s' } }

- `python`, `java` (and Kotlin, Scala), `go`, `node`, `ruby`, `dotnet`: the stack traces of that
  language, with the exceptions that caused them, and panics with all goroutines. A trace is an
  entry of its own, separate from the log line before it. Other lines pass at once.
- `indent`: a line that begins with white space belongs to the one before it.
- `'^…'`, a pattern that begins with `^`, or `{ start = "…" }`: an entry begins with a line in which
  the pattern is found, and all others belong to the line before. This also keeps a trace together
  with its log line.
- `{ continue = "…" }`: a line in which the pattern is found belongs to the one before it.
- `{ like = "java", lines = 1000 }`: limits other than the defaults.

The entry has the time, the stream, the fields and the `event.sequence` of its first line, and the
messages of all lines, with newlines between them. Lines of standard output and standard error are
never joined to each other, and may be mixed. Entries keep their order, so lines that come after the
first line of a join wait for its last. Put `join` before `parse`.

A line to which others may be joined is held back until a line comes that doesn't belong to it, or
none has come for `timeout`, or the container ends, or the agent stops. A join is passed on as it is
after ten times `timeout`, or when it has reached `lines` or `bytes`; the lines that still belong to
it become another entry. Lines that are held back aren't acknowledged: after a kill they are read
again. `dockline audit` shows them as `held back`, and lines that were joined to others as
`filtered by join`.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from typing import Annotated, ClassVar, Final, Literal, Protocol

import msgspec
from msgspec import Meta

from pipeline import native
from pipeline.expression.patterns import Search, compile_pattern
from pipeline.model import component
from pipeline.model.batch import Batch, text_size
from pipeline.model.component import Duration, Size
from pipeline.model.container import Container
from pipeline.model.errors import ConfigError, at
from pipeline.model.records import Fields
from pipeline.stages._traces import CLOSED, LANGUAGES

OPEN: Final = "open"
"""The state of a join that any line may belong to."""

LONGEST: Final = 10
"""How many times `timeout` a join may take from its first line."""

MOST_WAITING: Final = 4096
"""Entries that may wait behind a line of the other stream to which others may be joined."""

AT_ONCE: Final = 128 * 2**10
"""Bytes of entries that are passed on at once, except at the end: the next stages handle them
without
giving the event loop a turn."""
OF_AN_ENTRY: Final = 48
"""Bytes that an entry takes beside its lines."""

Name = Literal["python", "java", "go", "node", "ruby", "dotnet", "indent"]


class FirstLine(str):
    """A pattern for the first line of each entry, told from a language by its `^`."""

    __slots__ = ()

    NOUN: ClassVar[str] = "pattern"
    EXAMPLE: ClassVar[str] = r"^\d{4}-\d{2}-\d{2} "
    FORM: ClassVar[str] = r"^\^"

    @classmethod
    def parse(cls, text: str) -> FirstLine:
        """Checks a pattern. Raises `ConfigError` for a wrong one, `ValueError` for one without
        `^`."""
        if not text.startswith("^"):
            raise ValueError(f'"{text}" is not a pattern that begins with "^"')
        compile_pattern(text)
        return cls(text)


class Own(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which lines belong together, and limits. Exactly one of `like`, `start` and `continue`."""

    like: Annotated[Name | None, Meta(examples=["java"])] = None
    """A language, or `indent`, to be used with other limits."""
    start: Annotated[str | None, Meta(examples=[r"^\d{4}-\d{2}-\d{2} "])] = None
    """A regular expression that is found in the first line of each entry."""
    continue_: Annotated[str | None, Meta(examples=[r"^\s"])] = msgspec.field(
        name="continue", default=None
    )
    """A regular expression that is found in every further line of an entry."""
    lines: Annotated[int, Meta(ge=2)] = 500
    """Most lines of an entry."""
    bytes: Annotated[Size, Meta(ge=1)] = Size(256 * 2**10)
    """Most bytes of an entry of more than one line."""
    timeout: Annotated[Duration, Meta(gt=0)] = Duration(1)
    """How long to wait for a further line, up to a tenth of a second longer."""


Config = Annotated[
    Name | FirstLine | Own,
    Meta(examples=["python", FirstLine.EXAMPLE, {"continue": r"^\s", "timeout": "2s"}]),
]


class TraceReader(Protocol):
    """Tells which lines of one stream belong together."""

    def read(self, lines: list[bytes], state: str) -> tuple[bytes | None, str]:
        """As `_traces.Language.read`."""


class Stage(component.Stage):
    """The stage before it is bound: each container gets a new one."""

    stateful = True

    def __init__(self, config: str | Own) -> None:
        if isinstance(config, FirstLine):
            config = Own(start=config)
        self._config = Own(like=config) if isinstance(config, str) else config  # type: ignore[arg-type]
        self._reader = _reader(self._config)

    @classmethod
    def by(cls, reader: TraceReader) -> Stage:
        """A join with the usual limits, in which `reader` tells what belongs together."""
        made = cls("indent")
        made._reader = reader
        return made

    def bind(self, container: Container) -> component.Stage:
        return _Joining(self._reader, self._config)

    def effect(self) -> component.Effect:
        return component.Effect(makes=frozenset(), part="join")

    def __call__(self, batch: Batch) -> Batch | None:
        raise TypeError("a join is of one container: bind it first")


class _Entry:
    """Lines of one stream that belong together, or one line that others may be joined to."""

    __slots__ = (
        "began", "count", "fields", "flag", "lines", "open", "part", "sequence", "size", "stream",
        "time", "touched",
    )  # fmt: skip

    def __init__(self, batch: Batch, index: int, fields: Fields | None) -> None:
        line = batch.lines[index]
        self.lines = [line]
        self.size = len(line)
        self.time = batch.times[index]
        self.stream = batch.streams[index]
        self.sequence = batch.sequences[index]
        self.part = batch.parts[index] if batch.parts else 0
        self.fields = fields
        self.flag = batch.flags.get(self.sequence) if batch.flags else None
        self.open = True
        """Whether lines may still be joined to it."""
        self.began: float | None = None
        self.touched: float | None = None
        """When its first and its last line came, in the time of `flush`."""

    def add(self, batch: Batch, index: int) -> None:
        line = batch.lines[index]
        self.lines.append(line)
        self.size += len(line) + 1
        self.touched = None
        if batch.flags:
            self.flag = self.flag or batch.flags.get(batch.sequences[index])

    def extend(self, lines: list[bytes]) -> None:
        """Adds lines of a batch that has nothing else."""
        if lines:
            self.lines += lines
            self.size += text_size(lines) + len(lines)
            self.touched = None

    @property
    def message(self) -> bytes:
        return b"\n".join(self.lines)

    def is_overdue(self, now: float, timeout: float) -> bool:
        if self.began is None:
            self.began = now
        if self.touched is None:
            self.touched = now
        return now - self.touched >= timeout or now - self.began >= LONGEST * timeout


class _Joining(component.Stage):
    """The stage for one container."""

    def __init__(self, reader: TraceReader, config: Own) -> None:
        self._reader = reader
        self._most_lines, self._most_bytes = config.lines, int(config.bytes)
        self._timeout = float(config.timeout)
        self._states: dict[int, str] = {}
        """The state of each stream."""
        self._open: dict[int, _Entry] = {}
        """The last entry of each stream, if lines may be joined to it."""
        self._waiting: deque[_Entry] = deque()
        """All entries that are held back, in order. The first one is open, or there were too many
        to pass on at once."""
        self._like: Batch | None = None
        """A batch without entries, for entries that are passed on by time."""

    def __call__(self, batch: Batch) -> Batch | None:
        if batch.source != "logs" or batch.bare:
            return batch
        streams = batch.streams
        first = streams[0]
        if streams.count(first) == len(streams):
            joins = self._read(first, batch.lines)
            if not self._waits_for_other_than(first):
                if joins is None:
                    return self._without_last(batch, first)
                if self._is_simple(batch):
                    return self._whole(batch, first, joins)
            self._add(batch, first, range(len(streams)), joins)
        else:
            self._add_mixed(batch)
        return self._let_go(batch)

    def flush(self, now: float) -> Batch | None:
        waiting = self._waiting
        for entry in waiting:
            if entry.open and (now == _AT_THE_END or entry.is_overdue(now, self._timeout)):
                self._close(entry)
        if self._like is None or (len(waiting) == 1 and waiting[0].open):
            return None
        return self._let_go(self._like, math.inf if now == _AT_THE_END else AT_ONCE)

    # ------------------------------------------------------------------------- what comes

    def _read(self, stream: int, lines: list[bytes]) -> bytes | None:
        joins, self._states[stream] = self._reader.read(lines, self._states.get(stream, CLOSED))
        return joins

    def _waits_for_other_than(self, stream: int) -> bool:
        waiting = self._waiting
        return len(waiting) > 1 or (bool(waiting) and waiting[0].stream != stream)

    def _without_last(self, batch: Batch, stream: int) -> Batch | None:
        """Handles a batch in which no line belongs to the one before, when at most one entry waits.

        All of its entries are complete but for the last.
        """
        if not self._waiting and not self._states[stream]:
            return batch
        before, last = self._waiting.popleft() if self._waiting else None, len(batch) - 1
        self._open.pop(stream, None)
        if self._states[stream]:
            fields = batch.fields
            self._hold(_Entry(batch, last, fields[last] if fields else None), batch)
        elif before is None:
            return batch
        else:
            last += 1
        self._count()
        if not last:
            return self._batch(batch, [before]) if before is not None else None
        whole = batch if last == len(batch) else _beginning(batch, last)
        return whole if before is None else self._batch(batch, [before], whole)

    def _is_simple(self, batch: Batch) -> bool:
        """Whether the batch has nothing but lines, and none of the limits can be reached with it.
        At most one entry waits."""
        if batch.parsed is not None or batch.parts is not None or batch.flags is not None:
            return False
        lines = batch.lines
        count, size = len(lines), text_size(lines) + OF_AN_ENTRY * len(lines)
        if self._waiting:
            before = self._waiting[0]
            if not before.open or before.fields is not None or before.part or before.flag:
                return False
            count, size = count + len(before.lines), size + OF_AN_ENTRY + before.size
        return count <= self._most_lines and size < min(self._most_bytes, AT_ONCE)

    def _whole(self, batch: Batch, stream: int, joins: bytes) -> Batch | None:
        """Handles a simple batch in which some line belongs to the one before: `_add` and `_let_go`
        for many, in a third of the time."""
        lines, waiting = batch.lines, self._waiting
        end = len(lines)
        before: _Entry | None = None
        if waiting:
            first = joins.find(0)
            waiting[0].extend(lines[: first if first >= 0 else end])
            if first < 0:
                self._count()
                return None
            before = waiting.popleft()
            self._close(before)
        elif joins[0]:  # what it belongs to was let go
            joins = b"\0" + joins[1:]
        if self._states[stream]:
            end = joins.rfind(0)
            last = _Entry(batch, end, None)
            last.extend(lines[end + 1 :])
            self._hold(last, batch)
        self._count()
        messages, starts = _groups(lines, joins, end)
        times, sequences = batch.times, batch.sequences
        new_times, numbers = [times[at] for at in starts], [sequences[at] for at in starts]
        if before is not None:
            messages.insert(0, before.message)
            new_times.insert(0, before.time)
            numbers.insert(0, before.sequence)
        if not messages:
            return None
        streams = batch.streams[: len(messages)]
        return batch.replace(lines=messages, times=new_times, streams=streams, sequences=numbers)

    def _add_mixed(self, batch: Batch) -> None:
        """Handles a batch with lines of both streams."""
        streams, new = batch.streams, []
        for stream in sorted(set(streams)):
            indexes = [index for index, of in enumerate(streams) if of == stream]
            joins = self._read(stream, [batch.lines[index] for index in indexes])
            new.append(self._entries(batch, stream, indexes, joins))
        self._waiting.extend(sorted((one for of in new for one in of), key=_sequence))

    def _add(self, batch: Batch, stream: int, indexes: Iterable[int], joins: bytes | None) -> None:
        self._waiting.extend(self._entries(batch, stream, indexes, joins))

    def _entries(
        self, batch: Batch, stream: int, indexes: Iterable[int], joins: bytes | None
    ) -> list[_Entry]:
        """The entries that begin with lines of this stream. Other lines are joined to them, or to
        the
        entry before."""
        entry, entries, fields, lines = self._open.get(stream), [], batch.fields, batch.lines
        for number, index in enumerate(indexes):
            if (
                entry is not None
                and joins is not None
                and joins[number]
                and len(entry.lines) < self._most_lines
                and entry.size + len(lines[index]) < self._most_bytes
            ):
                entry.add(batch, index)
                continue
            if entry is not None:
                entry.open = False
            entry = _Entry(batch, index, fields[index] if fields else None)
            entries.append(entry)
        if entry is not None:
            self._keep_open(entry, batch)
        return entries

    def _keep_open(self, entry: _Entry, batch: Batch) -> None:
        if not self._states[entry.stream]:
            self._close(entry)
            return
        self._open[entry.stream] = entry
        if self._like is None or self._like.container is not batch.container:
            self._like = batch.replace(
                lines=[], times=[], streams=b"", sequences=[], parts=None, fields=None, flags=None,
            )  # fmt: skip

    def _hold(self, entry: _Entry, batch: Batch) -> None:
        self._waiting.append(entry)
        self._keep_open(entry, batch)

    def _close(self, entry: _Entry) -> None:
        entry.open = False
        self._open.pop(entry.stream, None)

    # -------------------------------------------------------------------------- what goes

    def _let_go(self, like: Batch, most: float = AT_ONCE) -> Batch | None:
        """The entries before the first open one, up to the limit of bytes, but at least one."""
        waiting, complete, size = self._waiting, [], 0
        while waiting and size < most:
            if waiting[0].open:
                if not self._is_too_much():
                    break
                self._close(waiting[0])
            entry = waiting.popleft()
            size += entry.size + OF_AN_ENTRY
            complete.append(entry)
        self._count()
        return self._batch(like, complete) if complete else None

    def _is_too_much(self) -> bool:
        """Whether too much waits behind the first entry, so that it must not stay open."""
        waiting = self._waiting
        if len(waiting) > MOST_WAITING:
            return True
        size = sum(entry.size for entry in waiting) if len(waiting) > 1 else 0
        return size > 2 * max(self._most_bytes, _LEAST_WAITING)

    def _count(self) -> None:
        waiting = self._waiting
        self.held = sum(len(entry.lines) for entry in waiting)
        self.oldest_held = waiting[0].sequence if waiting else 0

    def _batch(self, like: Batch, entries: list[_Entry], rest: Batch | None = None) -> Batch:
        """The batch of these entries and the rest."""
        flags = {entry.sequence: entry.flag for entry in entries if entry.flag}
        fields: list[Fields] | None = None
        if (rest is not None and rest.fields is not None) or any(e.fields for e in entries):
            after = [] if rest is None else rest.fields or [{} for _ in rest.lines]
            fields = [entry.fields or {} for entry in entries] + after
        parts: list[int] | None = None
        if (rest is not None and rest.parts) or any(entry.part for entry in entries):
            after_parts = [] if rest is None else rest.parts or [0] * len(rest)
            parts = [*[entry.part for entry in entries], *after_parts]
        return like.replace(
            lines=[entry.message for entry in entries] + (rest.lines if rest else []),
            times=[entry.time for entry in entries] + (rest.times if rest else []),
            streams=bytes([entry.stream for entry in entries]) + (rest.streams if rest else b""),
            sequences=[*[entry.sequence for entry in entries], *(rest.sequences if rest else [])],
            parts=parts,
            fields=fields,
            flags={**flags, **((rest.flags if rest else None) or {})} or None,
        )


_AT_THE_END: Final = float("inf")
_LEAST_WAITING: Final = 2**20


def _sequence(entry: _Entry) -> int:
    return entry.sequence


def _groups(lines: list[bytes], belongs: bytes, end: int) -> tuple[list[bytes], list[int]]:
    """As `Loops.groups`."""
    if native.loops is not None:
        return native.loops.groups(lines, belongs, end)
    starts = [index for index in range(end) if not belongs[index]]
    pairs = zip(starts, [*starts[1:], end], strict=True) if starts else ()
    return [b"\n".join(lines[start:stop]) for start, stop in pairs], starts


def _beginning(batch: Batch, count: int) -> Batch:
    fields = batch.fields
    return batch.replace(
        lines=batch.lines[:count],
        times=batch.times[:count],
        streams=batch.streams[:count],
        sequences=batch.sequences[:count],
        parts=batch.parts and batch.parts[:count],
        fields=fields if fields is None else fields[:count],
    )


# ------------------------------------------------------------------------- who tells


class _Indented:
    """Joins a line that begins with white space and isn't empty."""

    def read(self, lines: list[bytes], state: str) -> tuple[bytes | None, str]:
        joins = bytes([line[:1] in _SPACES for line in lines])
        return (joins if any(joins) else None), OPEN


_SPACES: Final = frozenset((b" ", b"\t"))


class _Found:
    """Joins a line in which a pattern is found, or one in which it isn't."""

    def __init__(self, search: Search, *, joins: bool) -> None:
        self._search = search
        self._joins = joins

    def read(self, lines: list[bytes], state: str) -> tuple[bytes | None, str]:
        search, joins = self._search, self._joins
        found = [(search(line.decode("utf-8", "replace")) is not None) is joins for line in lines]
        return (bytes(found) if True in found else None), OPEN


def _reader(config: Own) -> TraceReader:
    given = [key for key in ("like", "start", "continue_") if getattr(config, key) is not None]
    if len(given) != 1:
        raise ConfigError('say what belongs together with one of "like", "start" and "continue"')
    if config.like is not None:
        return _Indented() if config.like == "indent" else LANGUAGES[config.like]
    key = given[0].rstrip("_")
    text = config.start if config.start is not None else config.continue_
    assert text is not None
    with at(key):
        return _Found(compile_pattern(text).search, joins=key == "continue")
