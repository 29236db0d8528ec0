"""Nothing is lost that the Engine still has, nor, while all is well, what it removes."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator

from tests.simulation.course import Course, Written
from tests.simulation.judge.arrivals import Arrivals
from tests.simulation.judge.rotation import SOON, behind_clock, rotated_meanwhile
from tests.simulation.judge.troubles import SILENT, Troubles, overlaps
from tests.simulation.judge.wrong import Wrong
from tests.simulation.peers.stores import TOKEN, Store
from tests.simulation.plan import STOP, Sink
from tests.simulation.world.world import SECOND

BACKLOG = 200 * SECOND
"""How long a trouble of a sink may show in what the Engine has removed meanwhile."""


def lost(course: Course, sink: Sink, arrivals: Arrivals, troubles: Troubles) -> Iterator[Wrong]:
    """What did not arrive, and should have."""
    missing = {name: list(_missing(course, name, arrivals, troubles)) for name in course.written}
    if sink.when_full == "block" and not _may_refuse(course, sink):
        for name, numbers in missing.items():
            if numbers:
                total = len(course.written[name].times)
                yield Wrong(
                    "lost",
                    f"{sink.name}: {len(numbers)} of {total} lines of {name} are missing, "
                    f"first {numbers[0]}, last {numbers[-1]}",
                    name,
                )
        return
    number = sum(len(numbers) for numbers in missing.values())
    dropped = sum(node.dropped.get(sink.name, 0) for node in course.nodes.values())
    if number > dropped:
        yield Wrong(
            "uncounted",
            f"{sink.name}: {number} lines are missing, and {dropped} were counted as dropped",
        )


def _may_refuse(course: Course, sink: Sink) -> bool:
    """Whether a server has said of single entries that it fails because of them, while it took
    others: then they are dropped, and counted."""
    return any(
        step.verb in ("fail", "flaky") and step.of["sink"] == sink.name and step.of["status"] == 500
        for step in course.plan.steps
    )


def _missing(course: Course, name: str, arrivals: Arrivals, troubles: Troubles) -> Iterator[int]:
    """The lines of a container that had to arrive and did not, by their numbers."""
    written, there = course.written[name], arrivals.first[name]
    still_open = course.open_lines(name)
    for number in _due(course, written, troubles):
        if number in there or number in still_open:
            continue
        at = written.stamps[number]
        if not any(gap.since <= at <= gap.until for gap in troubles.gaps.get(name, ())):
            yield number


def broken(course: Course, store: Store) -> Iterator[Wrong]:
    """Lines that arrived in parts."""
    wrong = [text for text in store.broken if not _may_be_cut(course, text)]
    if wrong:
        found = TOKEN.search(wrong[0])
        yield Wrong(
            "broken",
            f"{store.name} got {len(wrong)} lines that are not whole, first {wrong[0]!r}",
            found[1] if found else "",
        )


def _may_be_cut(course: Course, text: str) -> bool:
    """Whether the Engine itself had no more of that line."""
    if (found := TOKEN.search(text)) is None:
        return any(written.container.dropped for written in course.written.values())
    written, number = course.written[found[1]], int(found[2])
    return number in written.cut or written.first[number] < written.container.dropped


def _due(course: Course, written: Written, troubles: Troubles) -> Iterator[int]:
    """The lines that had to arrive, by their numbers."""
    one = written.container
    node = written.node.host.name
    unheard = troubles.unheard(node)
    if written.ended_at and overlaps(unheard, written.created - SECOND, written.ended_at + SECOND):
        return  # nobody has heard of it, and lists are of those that run
    if written.ended_at and troubles.clock_set_while_away(node, written):
        return  # nobody can tell that it is newer than the last look
    if one.removed:
        begin, end = written.created - SECOND, written.removed_at + SOON
        if _calm(course, troubles, node, begin, end):
            yield from range(len(written.first))
        return
    dropped = [dropped for dropped, _ in one.gone]
    behind = behind_clock(written)
    for number, first in enumerate(written.first):
        if first < 0:
            continue  # nothing of it was ever whole enough for the Engine
        if number in behind:
            continue
        at = written.times[number]
        if at > one.cut_by_truncation:
            continue  # nobody can tell the rest of that line from its beginning
        if one.truncated and at > STOP * SECOND - SILENT:
            continue  # nobody has noticed yet that its stream is silent
        if written.again and overlaps(unheard, at - SOON, at + SOON):
            continue
        if rotated_meanwhile(one, written.whole_at(number)):
            continue
        if first >= one.dropped:
            yield number
            continue
        _, gone = one.gone[bisect_right(dropped, first)]
        at = written.times[number]
        if gone - at >= SOON and _calm(course, troubles, node, at - SECOND, gone):
            yield number


def _calm(course: Course, troubles: Troubles, node: str, begin: int, end: int) -> bool:
    """Whether nothing could keep the agent from reading and sending in that time."""
    if overlaps(troubles.of_node(node), begin - SOON, end):
        return False
    return not any(overlaps(windows, begin - BACKLOG, end) for windows in troubles.sinks.values())
