"""Which containers' states are on `/metrics`: those that run, and for a while those that have
ended.

A container that ended is reported as long as the Engine has it, at most `keep` seconds. One that
is removed is gone at once, but for a failure that nobody can have seen: a container that is removed
together with its end (`docker run --rm`) is reported for `REMOVED_FOR` seconds more, until another
of its name starts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from heapq import nlargest
from typing import Final, NamedTuple

from pipeline.model.container import Container
from pipeline.model.container_state import State
from pipeline.sources.docker.lifecycle.followed import Followed
from pipeline.sources.docker.lifecycle.states import States

MOST_ENDED: Final = 1000
"""Containers that have ended and are reported, at most: those that ended last."""
REMOVED_FOR: Final = 15 * 60.0
"""Seconds for which a failed container is reported after its removal: longer than alerts wait."""
TOGETHER: Final = 5.0
"""Seconds between an end and a removal that belongs to it, where it is not known whether the Engine
removes the container by itself. A later one is somebody's doing, who knows of the end."""


class _Reported(NamedTuple):
    container: Container
    state: State


class Reported:
    """The containers whose states are reported. Iterating gives each with its state: those that
    run, then those that ended, the last one first."""

    def __init__(
        self,
        states: States,
        followed: Mapping[str, Followed],
        keep: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`followed`: the containers that are followed, by id. `keep`: how long after its end a
        container is reported, in seconds. `clock`: in seconds since the epoch."""
        self._states = states
        self._followed = followed
        self._keep = keep
        self._clock = clock
        self._early: dict[str, Container] = {}
        """Containers that ended before the agent began, by id, oldest first."""
        self._removed: dict[str, _Reported] = {}
        """Containers that failed and were removed at once, by name, oldest first."""

    def __iter__(self) -> Iterator[tuple[Container, State]]:
        now = self._clock()
        self._drop_removed(now)
        ended: list[_Reported] = []
        for key, followed in self._followed.items():
            state = self._states.of(key)
            if state.runs:
                yield followed.facts, state
            elif state.ended:
                ended.append(_Reported(followed.facts, state))
        for key, container in self._early.items():
            if key not in self._followed and (state := self._states.of(key)).ended:
                ended.append(_Reported(container, state))
        recent = [one for one in ended if now - _finished(one) < self._keep]
        yield from nlargest(MOST_ENDED, (*recent, *self._removed.values()), key=_finished)

    def ended_early(self, container: Container) -> None:
        """Reports a container that ended before the agent began, once its state tells when."""
        self._early[container.id] = container
        if len(self._early) > MOST_ENDED:
            del self._early[next(iter(self._early))]

    def started(self, container: Container) -> None:
        """Takes that a container has started: it takes the place of a removed one of its name."""
        self._early.pop(container.id, None)
        self._removed.pop(container.name, None)

    def removed(self, container: Container, state: State) -> None:
        """Takes that a container was removed, and its last state."""
        self._early.pop(container.id, None)
        one, now = _Reported(container, state), self._clock()
        self._drop_removed(now)
        together = state.auto_remove
        if together is None:
            together = now - _finished(one) < TOGETHER
        if state.failed and together:
            self._removed.pop(container.name, None)
            self._removed[container.name] = one
            if len(self._removed) > MOST_ENDED:
                del self._removed[next(iter(self._removed))]

    def forget(self, container_id: str) -> None:
        """Takes that a container is gone, or no longer selected."""
        self._early.pop(container_id, None)

    def _drop_removed(self, now: float) -> None:
        keep = min(self._keep, REMOVED_FOR)
        while self._removed:
            name, oldest = next(iter(self._removed.items()))
            if now - _finished(oldest) < keep:
                return
            del self._removed[name]


def _finished(one: _Reported) -> float:
    return one.state.finished or 0.0
