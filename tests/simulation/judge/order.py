"""Each container's lines come in order, and come again only if nobody could know that they had
come."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

from tests.simulation.course import Course, Written
from tests.simulation.judge.arrivals import Arrivals
from tests.simulation.judge.queue import Queue
from tests.simulation.judge.rotation import rotated_meanwhile
from tests.simulation.judge.troubles import Troubles, Window, overlaps
from tests.simulation.judge.wrong import Wrong
from tests.simulation.plan import Sink
from tests.simulation.world.world import FOREVER, SECOND

HTTP = ("http", "victorialogs")
DOUBT = 60 * SECOND
"""How long after a trouble what was in doubt may still arrive."""
IN_FLIGHT = 5 * SECOND
"""How long an answer may take while something is wrong with it."""
JOURNAL = SECOND // 2
"""What arrived so shortly before a kill may not have been noted. The journal is written every
hundredth of a second, and a kill may come after the payload of which the first lines arrived."""
ON_ITS_WAY = SECOND // 10
"""What a process has sent arrives, though it was killed."""
WAITS = 200 * SECOND
"""How long a line may wait before it is spooled."""
SPLIT = 300 * SECOND
"""How long the agent's place may stay at a line, since a sink takes nothing."""
POWER = 2 * SECOND
"""The same where the host crashes: what was noted is on the disk within a second."""


def disordered(
    course: Course, sink: Sink, arrivals: Arrivals, troubles: Troubles, queue: Queue | None
) -> Iterator[Wrong]:
    """Lines that came after later ones."""
    if sink.when_full == "drop_oldest":
        return
    unopened = _unopened(course, sink, troubles)
    for name, numbers in arrivals.first.items():
        if not numbers:
            continue
        written = course.written[name]
        place, dropped = written.last, written.container.dropped
        highest, wrong = next(iter(numbers)), []
        for number in numbers:
            if place[number] < place[highest]:
                # A line without an end comes when the next one of its stream shows that. And the
                # Engine may have removed the rest of a line that it was sending.
                cut = number in written.cut or written.first[number] < place[number] < dropped
                if numbers[number] > unopened:
                    continue
                if _passed_over(written, number, numbers[number], troubles):
                    continue
                if _again_after(sink, written, number, numbers[number], troubles):
                    continue
                if queue is not None and queue.refused(name, number):
                    continue
                if queue is not None and _overtaken(sink, queue, name, number, highest):
                    continue
                if not (cut or _in_doubt(sink, numbers[number], troubles)):
                    wrong.append((number, highest))
            else:
                highest = number
        if wrong:
            number, highest = wrong[0]
            yield Wrong(
                "order",
                f"{sink.name}: {name} {number} came first after {highest}, "
                f"and so did {len(wrong) - 1} others",
                name,
            )


def _passed_over(written: Written, number: int, at: int, troubles: Troubles) -> bool:
    """Whether the Engine may have passed over a line, which the agent has read when it was started
    again with its place still before that."""
    begin = written.whole_at(number)
    if not rotated_meanwhile(written.container, begin):
        return False
    return troubles.ended_between(written.node.host.name, begin, at)


def _overtaken(sink: Sink, queue: Queue, name: str, number: int, later: int) -> bool:
    """Whether hubs may have sent a later line first: a line that is on the disk of one of them is
    acknowledged, and one that was dropped may be delivered again with others."""
    if sink.spooled and not queue.by_one_hub(name, number, later):
        return True
    return sink.when_full != "block" and queue.delivered_twice(name, number)


def _again_after(sink: Sink, written: Written, number: int, at: int, troubles: Troubles) -> bool:
    """Whether a line may have been dropped, and read again with those behind it by the next agent,
    since that was not noted."""
    if sink.when_full == "block":
        return False
    return troubles.ended_between(written.node.host.name, written.times[number], at)


def _unopened(course: Course, sink: Sink, troubles: Troubles) -> int:
    """From when on entries of an earlier run may come after newer ones: an agent was started while
    the disk was in trouble, and its spool could not be opened at once."""
    starts = [
        start
        for name, node in course.nodes.items()
        for start in node.starts
        if overlaps(troubles.disks[name], start, start + SECOND)
    ]
    return min(starts, default=FOREVER) if sink.spooled else FOREVER


def _in_doubt(sink: Sink, at: int, troubles: Troubles) -> bool:
    """Whether a sink may have tried later entries beside those that an HTTP server did not take,
    to learn whether it takes any."""
    return sink.kind in HTTP and overlaps(troubles.sinks[sink.name], at - DOUBT, at)


def repeated(
    course: Course, sink: Sink, arrivals: Arrivals, troubles: Troubles, queue: Queue | None
) -> Iterator[Wrong]:
    """Lines that came again without need."""
    wrong = [
        (name, number, before, when)
        for name, number, before, when in arrivals.again
        if number not in course.written[name].cut  # it is read again, for its rest may come
        and not _excused(course, sink, name, number, before, troubles)
        and not (queue and _excused_by_queue(course, name, number, when, troubles, queue))
        # The Engine has removed the line by which the agent knew its place.
        and not any(before <= gap.said <= when for gap in troubles.gaps[name])
        and not _split(course.written[name], before, when)
        and not _recounted(course.written[name], before, when)
    ]
    if wrong:
        name, number, before, when = wrong[0]
        yield Wrong(
            "again",
            f"{sink.name}: {len(wrong)} lines came again without need, first {name} {number}, "
            f"at {before / SECOND:.3f} s and {when / SECOND:.3f} s",
            name,
        )


def _split(written: Written, begin: int, end: int) -> bool:
    """Whether rotation has removed the first piece of a line, and not the last one, while it was
    the line by which the agent knew its place: the rest looks like another line."""
    lasts = written.last
    for dropped, at in written.container.gone:
        if begin - SPLIT <= at <= end:
            number = bisect_left(lasts, dropped)
            if number < len(lasts) and 0 <= written.first[number] < dropped <= lasts[number]:
                return True
    return False


def _recounted(written: Written, begin: int, end: int) -> bool:
    """Whether the container has ended in the middle of a line meanwhile. What was read of it got a
    number, so what sinks have beyond the agent's place is forgotten until that has come so far."""
    return any(begin - SPLIT <= written.times[number] <= end for number in written.cut)


def _excused(
    course: Course, sink: Sink, name: str, number: int, at: int, troubles: Troubles
) -> bool:
    """Whether the agent could not know that a line had arrived `at` that time."""
    windows = troubles.sinks[sink.name]
    if overlaps(windows, at - SECOND, at + IN_FLIGHT):
        return True
    written = course.written[name]
    read = written.whole_at(number)
    for node in course.plan.setup.hubs or (written.node.host.name,):
        for end in troubles.ends[node]:
            begin = _noted(end, troubles.disks[node])
            if begin <= at <= end.begin + ON_ITS_WAY:
                return True
            # What was spooled shortly before comes from the spool, and is read again.
            if sink.spooled and at > end.begin and begin - WAITS <= read <= end.begin:
                return True
    return False


def _excused_by_queue(
    course: Course, name: str, number: int, when: int, troubles: Troubles, queue: Queue
) -> bool:
    """Whether a line that came `when` was published again, or its message delivered again, by
    somebody who could not know that it had come."""
    if queue.delivered_again(name, number, when):
        return True
    times = queue.published(name, number, when)
    node = course.written[name].node.host.name
    return len(times) > 1 and any(
        overlaps(troubles.queue, at - SECOND, at + IN_FLIGHT)
        or any(
            _noted(end, troubles.disks[node]) <= at <= end.begin + ON_ITS_WAY
            for end in troubles.ends[node]
        )
        for at in times[:-1]
    )


def _noted(end: Window, disk: list[Window]) -> int:
    """Until when all was noted that had arrived before an end of the agent."""
    noted = POWER if end.verb == "power" else JOURNAL
    begin = end.begin - noted
    for window in sorted(disk, reverse=True):  # while the disk takes nothing, nothing is noted
        if window.begin <= begin <= window.end + 2 * SECOND:
            begin = window.begin - noted
    return begin
