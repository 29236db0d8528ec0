"""Counts what one side has, line by line, and compares it with what another has."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.chaos.talk import Line, line

Key = tuple[bytes, int, bytes]
"""Container, run, stream."""


class Fragment(NamedTuple):
    """What is no whole line: what a killed container wrote last, or half of a line of which a
    killed dockerd has lost the other half."""

    container: bytes
    text: bytes


class Stream:
    """The lines of one run and stream, by number."""

    __slots__ = ("counts", "excused", "last")

    def __init__(self) -> None:
        self.counts = array("H", [0])
        self.excused: set[int] = set()
        self.last = 0
        """The highest number that came first."""

    def grow(self, number: int) -> None:
        if number >= len(self.counts):
            self.counts.extend(bytes(number + 1 - len(self.counts)))


@dataclass
class Tally:
    """What one sink got, or what the Engine has."""

    streams: dict[Key, Stream] = field(default_factory=dict)
    fragments: Counter[Fragment] = field(default_factory=Counter)
    lines: int = 0
    disordered: list[Line] = field(default_factory=list)
    """Lines that came for the first time after a later one of their run and stream."""

    def take(self, container: bytes, text: bytes, *, excused: bool = False) -> None:
        """One line of `container`. `excused`: it reached the other side, which never read it."""
        found = line(text)
        if found is None or found.name != container:
            self.fragments[Fragment(container, text)] += 1
            return
        key = (found.name, found.run, found.stream)
        stream = self.streams.get(key)
        if stream is None:
            stream = self.streams[key] = Stream()
        number = found.number
        stream.grow(number)
        if number > stream.last:
            stream.last = number
        elif not stream.counts[number] and number not in stream.excused:
            self.disordered.append(found)
        if excused:
            stream.excused.add(number)
        else:
            self.lines += 1
            stream.counts[number] = min(stream.counts[number] + 1, 65535)

    def has(self, truth: Tally) -> bool:
        """Whether all that `truth` has is here, or excused."""
        return next(_missing(truth, self), None) is None


@dataclass(frozen=True)
class Compared:
    """One sink beside the Engine."""

    written: int
    delivered: int
    """Lines of the Engine's that came at least once; what follows is not among them."""
    lost: list[Line | Fragment]
    unread: int
    """Taken by the receiver's kernel and never read: lost, as is documented."""
    repeated: int
    """How many came once more than needed, counted each time."""
    disordered: list[Line]
    foreign: list[Line | Fragment]
    """What came and is not in the Engine's log."""

    @property
    def good(self) -> bool:
        return not (self.lost or self.disordered or any(isinstance(f, Line) for f in self.foreign))


def compare(truth: Tally, sink: Tally) -> Compared:
    lost = list(_missing(truth, sink))
    unread = sum(1 for _ in _excused(truth, sink))
    written = truth.lines + len(truth.fragments)
    return Compared(
        written=written,
        delivered=written - len(lost) - unread,
        lost=lost,
        unread=unread,
        repeated=_repeated(sink),
        disordered=sink.disordered,
        foreign=list(_foreign(truth, sink)),
    )


def _missing(truth: Tally, sink: Tally) -> Iterator[Line | Fragment]:
    for key, stream in truth.streams.items():
        other = sink.streams.get(key) or Stream()
        if other.counts == stream.counts:
            continue
        other.grow(len(stream.counts) - 1)
        for number, (kept, came) in enumerate(zip(stream.counts, other.counts, strict=False)):
            if kept and not came and number not in other.excused:
                yield Line(*key, number)
    yield from (fragment for fragment in truth.fragments if fragment not in sink.fragments)


def _excused(truth: Tally, sink: Tally) -> Iterator[int]:
    for key in truth.streams:
        if (other := sink.streams.get(key)) is not None:
            yield from (number for number in other.excused if not other.counts[number])


def _repeated(sink: Tally) -> int:
    lines = sum(
        sum(stream.counts) - len(stream.counts) + stream.counts.count(0)
        for stream in sink.streams.values()
    )
    return lines + sum(sink.fragments.values()) - len(sink.fragments)


def _foreign(truth: Tally, sink: Tally) -> Iterator[Line | Fragment]:
    for key, stream in sink.streams.items():
        kept = truth.streams.get(key) or Stream()
        for number, came in enumerate(stream.counts):
            if came and not (number < len(kept.counts) and kept.counts[number]):
                yield Line(*key, number)
    yield from (fragment for fragment in sink.fragments if fragment not in truth.fragments)
