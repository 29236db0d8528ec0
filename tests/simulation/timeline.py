"""What has happened in a run, for people: in the order of the world's time, a line each."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import groupby
from typing import NamedTuple

from tests.simulation.course import Course
from tests.simulation.world.world import SECOND


class Line(NamedTuple):
    """One line of a timeline."""

    time: int
    """Nanoseconds since the world began."""
    who: str
    what: str

    def __str__(self) -> str:
        return f"{self.time / SECOND:12.6f} s  {self.who:<16}  {self.what}"


def timeline(course: Course, names: Collection[str]) -> list[Line]:
    """All that was noted, and what became of the lines of these containers."""
    lines = [Line(*note) for note in course.world.notes]
    for name in names:
        if name in course.written:
            lines += _written(course, name)
            lines += _arrived(course, name)
    return sorted(lines, key=lambda line: line.time)


def _written(course: Course, name: str) -> Iterator[Line]:
    times = course.written[name].times
    for time, numbers in _together(enumerate(times)):
        yield Line(time, name, f"writes {_spans(numbers)}")


def _arrived(course: Course, name: str) -> Iterator[Line]:
    for store in course.stores.values():
        got = ((one.number, one.time) for one in store.got if one.name == name)
        for time, numbers in _together(got):
            yield Line(time, store.name, f"gets {name} {_spans(numbers)}")


def _together(numbered: Iterable[tuple[int, int]]) -> Iterator[tuple[int, list[int]]]:
    """The numbers of one time together."""
    for time, pairs in groupby(numbered, key=lambda pair: pair[1]):
        yield time, [number for number, _ in pairs]


def _spans(numbers: Iterable[int]) -> str:
    """`3-7 9`, of 3, 4, 5, 6, 7 and 9."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return " ".join(str(a) if a == b else f"{a}-{b}" for a, b in spans)
