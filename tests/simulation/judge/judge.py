"""The judge: what is wrong after a run."""

from __future__ import annotations

from collections.abc import Iterator

from tests.simulation.course import Course
from tests.simulation.judge.arrivals import Arrivals
from tests.simulation.judge.gaps import alarms
from tests.simulation.judge.late import late
from tests.simulation.judge.loss import broken, lost
from tests.simulation.judge.numbers import numbered_twice
from tests.simulation.judge.order import disordered, repeated
from tests.simulation.judge.queue import Queue
from tests.simulation.judge.troubles import Troubles
from tests.simulation.judge.wrong import Wrong


def judged(course: Course) -> list[Wrong]:
    """What is wrong, or an empty list."""
    return [*course.problems, *_judged(course)]


def _judged(course: Course) -> Iterator[Wrong]:
    troubles = Troubles(course)
    queue = Queue(course, troubles) if course.nats is not None else None
    yield from alarms(course, troubles)
    for sink in course.plan.setup.sinks:
        store = course.stores[sink.name]
        yield from broken(course, store)
        arrivals = Arrivals(store)
        yield from lost(course, sink, arrivals, troubles)
        yield from disordered(course, sink, arrivals, troubles, queue)
        yield from repeated(course, sink, arrivals, troubles, queue)
        yield from late(course, sink, arrivals, troubles)
        yield from numbered_twice(course, store, troubles)
