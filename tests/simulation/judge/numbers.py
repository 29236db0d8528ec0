"""Each line of a container has a number of its own."""

from __future__ import annotations

from collections.abc import Iterator

from tests.simulation.course import Course
from tests.simulation.judge.troubles import Troubles
from tests.simulation.judge.wrong import Wrong
from tests.simulation.peers.stores import Store


def numbered_twice(course: Course, store: Store, troubles: Troubles) -> Iterator[Wrong]:
    """Lines that have the `event.sequence` of another one. Not asked of lines that are joined, nor
    where the Engine has removed any: then what is read anew is counted anew."""
    if course.plan.setup.join:
        return
    holders: dict[tuple[str, int], int] = {}
    for got in store.got:
        written = course.written[got.name]
        if got.sequence is None or written.container.dropped or troubles.gaps.get(got.name):
            continue
        if written.cut:
            continue  # a line without an end is counted when its stream ends, and again
        holder = holders.setdefault((got.name, got.sequence), got.number)
        if holder != got.number:
            yield Wrong(
                "numbers",
                f"{store.name}: {got.name} {holder} and {got.number} both have number "
                f"{got.sequence}",
                got.name,
            )
            return
