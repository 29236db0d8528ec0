"""The part of `/metrics` that says whether containers run, and how they ended.

Lines are kept and made anew only where something has changed: with 10,000 containers, looking for
what has changed takes 10 ms of a scrape, in pieces.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from sys import getsizeof
from typing import Final, NamedTuple, TypeAlias

from pipeline.model.cadvisor import Labels, container_labels
from pipeline.model.container import Container
from pipeline.model.container_state import State
from pipeline.model.state_families import STATE_FAMILIES
from pipeline.observe.family_lines import family_lines, header

States: TypeAlias = Callable[[], Iterable[tuple[Container, State]]]
"""Gives the containers whose states are to be seen, each with its state; the most important
first."""

MOST: Final = 64 << 20
"""Bytes of memory for all lines: 30,000 containers. What comes later is left out."""
TOGETHER: Final = 200
"""Containers that are looked at between two pauses for the event loop: half a millisecond, or two
if all have changed."""


class _Kept(NamedTuple):
    """The lines of one container, and what they were made from."""

    container: Container
    state: State
    version: int
    lines: list[str]
    size: int


class StateLines:
    """The lines of all containers' states."""

    def __init__(self, labels: Labels, states: States) -> None:
        """`labels`: the container labels to add to each series."""
        self._labels = labels
        self._states = states
        self._kept: dict[str, _Kept] = {}
        """Of the last scrape, by container id."""

    def pieces(self, openmetrics: bool) -> Iterator[str]:
        """Each family with its lines; an empty text where the event loop may run. Two of these may
        be under way at the same time."""
        rows: dict[str, _Kept] = {}
        size = 0
        for count, (container, state) in enumerate(list(self._states())):
            if not count % TOGETHER:
                yield ""
            one = self._row(container, state)
            if size + one.size <= MOST:
                rows[container.id] = one
                size += one.size
        self._kept = rows
        for index, family in enumerate(STATE_FAMILIES):
            if lines := "".join([one.lines[index] for one in rows.values()]):
                yield header(family.name, family.kind, family.help, openmetrics) + lines

    def _row(self, container: Container, state: State) -> _Kept:
        kept = self._kept.get(container.id)
        if (
            kept is not None
            and kept.version == state.version
            and kept.state is state
            and kept.container is container
        ):
            return kept
        labels = container_labels(container, state.cgroup, self._labels)
        lines = family_lines(STATE_FAMILIES, state, labels)
        return _Kept(container, state, state.version, lines, sum(map(getsizeof, lines)))
