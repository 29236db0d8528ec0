"""While all is well, nothing waits."""

from __future__ import annotations

from collections.abc import Iterator

from tests.simulation.course import Course
from tests.simulation.judge.arrivals import Arrivals
from tests.simulation.judge.rotation import behind_clock, rotated_meanwhile
from tests.simulation.judge.troubles import Troubles
from tests.simulation.judge.wrong import Wrong
from tests.simulation.plan import CALM, Sink
from tests.simulation.world.world import SECOND

SOON = 100 * SECOND
"""How long after the last trouble a line may still come: an agent looks at least once a minute for
containers of which it has heard nothing."""


def late(course: Course, sink: Sink, arrivals: Arrivals, troubles: Troubles) -> Iterator[Wrong]:
    """Lines that came though nothing had kept them back for long."""
    calms = list(_calms(troubles, course.world.now))
    for name, numbers in arrivals.first.items():
        written = course.written[name]
        if written.truncated:
            continue  # its streams are silent for minutes
        if (written.again or written.ended_at) and troubles.unheard(written.node.host.name):
            continue
        behind = behind_clock(written)
        wrong = [
            (number, when)
            for number, when in numbers.items()
            if number not in written.cut
            and number not in behind
            and when - (ended := written.whole_at(number)) > SOON
            and not rotated_meanwhile(written.container, ended)
            and any(max(begin, ended) + SOON < min(end, when) for begin, end in calms)
        ]
        if wrong:
            number, when = wrong[0]
            yield Wrong(
                "late",
                f"{sink.name}: {len(wrong)} lines of {name} came late, first {number}, written at "
                f"{written.times[number] / SECOND:.3f} s, at {when / SECOND:.3f} s",
                name,
            )


def _calms(troubles: Troubles, now: int) -> Iterator[tuple[int, int]]:
    """From when to when nothing was wrong with anybody, and no agent was away or reloaded."""
    begin = 0
    for window in sorted(troubles.all()):
        if window.begin - begin >= CALM / 2 * SECOND:
            yield begin, window.begin
        begin = max(begin, window.end)
    yield begin, now
