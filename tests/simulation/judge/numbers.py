"""Each line of a container has a number of its own."""

from __future__ import annotations

from collections.abc import Iterator

from tests.simulation.course import Course
from tests.simulation.judge.troubles import Troubles
from tests.simulation.judge.wrong import Wrong
from tests.simulation.peers.stores import Got, Store
from tests.simulation.world.world import SECOND


def numbered_twice(course: Course, store: Store, troubles: Troubles) -> Iterator[Wrong]:
    """Lines that have the `event.sequence` of another one. Not asked of lines that are joined, nor
    where the Engine has removed any: then what is read anew is counted anew."""
    if course.plan.setup.join:
        return
    holders: dict[tuple[str, int], Got] = {}
    for got in store.got:
        written = course.written[got.name]
        if got.sequence is None or written.container.dropped or troubles.gaps.get(got.name):
            continue
        holder = holders.setdefault((got.name, got.sequence), got)
        if holder.number != got.number:
            node = written.node.host.name
            if written.cut and troubles.ended_between(node, holder.time - SECOND, got.time):
                continue  # a line without an end is counted when its stream ends, and again
            yield Wrong(
                "numbers",
                f"{store.name}: {got.name} {holder.number} and {got.number} both have number "
                f"{got.sequence}",
                got.name,
            )
            return
