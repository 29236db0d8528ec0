"""An agent says that lines may be lost only where some may be."""

from __future__ import annotations

from collections.abc import Iterator

from tests.simulation.course import Course
from tests.simulation.judge.troubles import Troubles
from tests.simulation.judge.wrong import Wrong
from tests.simulation.world.world import SECOND


def alarms(course: Course, troubles: Troubles) -> Iterator[Wrong]:
    """Gaps that were reported of logs of which the Engine has everything."""
    for name, gaps in troubles.gaps.items():
        if gaps and name in course.written and not course.written[name].container.dropped:
            yield Wrong(
                "alarm",
                f"lines of {name} were said to be lost, first at {gaps[0].said / SECOND:.3f} s, "
                "and the Engine has all of them",
                name,
            )
