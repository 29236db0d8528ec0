"""One course of events: lines flow, things are killed and added in turn, and lines are counted."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from pipeline.testing.agent_process import AgentProcess
from tests.fleet.fleet import HOSTS, Fleet, fleet
from tests.fleet.outcome import Moment, Order, Outcome
from tests.fleet.queues.queue import Queue
from tests.fleet.stored import missing

Seen = TypeVar("Seen")

AWAY = 3.0
"""Seconds that what was killed is not there."""


def run(
    folder: Path,
    queue: Queue,
    lines: int,
    *,
    burst: int,
    patience: float,
    say: Callable[[str], object] = print,
) -> Outcome:
    """Each thing happens after another sixth of the lines, and when all containers' lines come
    again after what happened before. Gives up when for `patience` seconds nothing more has come."""
    with fleet(folder, queue) as it:
        course = Course(it, lines, patience, say)
        say(f"{HOSTS} engines with an agent each, {queue.version}, {len(it.hubs)} hubs and "
            "VictoriaLogs run")  # fmt: skip
        it.write(lines, burst)
        began = time.monotonic()
        say(f"{len(it.written)} containers write {lines:,} lines")
        course.happens("a hub is killed", lambda: _away(it.hubs[0]))
        course.happens("a hub more", it.more_hubs)
        course.happens("an agent is killed", lambda: _away(it.agents[0]))
        course.happens(f"{queue.name} is killed", lambda: _away(queue))
        course.happens("a hub is stopped", lambda: it.stop_hub(1))
        course.settled()
        seconds = time.monotonic() - began
        course.end()
        _until(queue.waiting, lambda waiting: waiting == 0, patience)
        there, order = it.stored(), _order(it)
        it.stop()
        return Outcome(
            HOSTS, queue.version, it.written, it.names, there, course.moments, order, seconds,
            it.exits, queue.rest(),
        )  # fmt: skip


class Course:
    """What has happened to a fleet until now."""

    def __init__(
        self, it: Fleet, lines: int, patience: float, say: Callable[[str], object]
    ) -> None:
        self.moments: list[Moment] = []
        self._fleet = it
        self._lines = lines
        self._patience = patience
        self._say = say
        self._repeated = 0

    def happens(self, what: str, do: Callable[[], float | None]) -> None:
        """In its time. `do` returns how many seconds something was away, if something was."""
        register = self._fleet.register
        due = self._lines * (len(self.moments) + 1) // 6
        self._waits(lambda: register.lines >= due and self._recovered())
        self.end()
        moment = Moment(what, register.lines, self._fleet.queue.waiting())
        register.mark()
        self.moments.append(moment)
        moment.away = do()
        self._say(f"{what}, when {moment.came:,} lines had come")

    def settled(self) -> None:
        """When every line is stored, or none has come for long."""

        def stored() -> tuple[int, int]:
            there = self._fleet.stored()
            return missing(there, self._fleet.written), sum(one.rows for one in there.values())

        _until(stored, lambda now: now[0] == 0, self._patience, every=1)

    def end(self) -> None:
        """What has come until now is of what has happened last."""
        repeated = self._fleet.register.repeated
        if self.moments:
            self.moments[-1].repeated = repeated - self._repeated
            self.moments[-1].silence = self._fleet.register.silence
        self._repeated = repeated

    def _recovered(self) -> bool:
        return self._fleet.register.recovered(self._fleet.by_name)

    def _waits(self, holds: Callable[[], bool]) -> None:
        register = self._fleet.register
        if not _until(lambda: (holds(), register.lines), lambda seen: seen[0], self._patience):
            raise TimeoutError(
                f"nothing more has come for {self._patience:g} s:\n{self._fleet.said()}"
            )


def _away(one: AgentProcess | Queue) -> float:
    """Kills it; it is back when this returns. The seconds that it was not there."""
    began = time.monotonic()
    if isinstance(one, Queue):
        one.kill()
        time.sleep(AWAY)
        one.start()
    else:
        one.stop(signal.SIGKILL)
        time.sleep(AWAY)
        one.start()
        one.address  # noqa: B018 - waits until it has begun
    return time.monotonic() - began


def _order(it: Fleet) -> Order:
    register = it.register
    with register.lock:
        came = register.arrivals
        gone = sum(count - came.of[name].lines for name, count in it.by_name.items())
        return Order(gone, came.repeated, came.late, register.odd)


def _until(
    look: Callable[[], Seen],
    enough: Callable[[Seen], bool],
    patience: float,
    *,
    every: float = 0.3,
) -> bool:
    """Whether what is seen is enough at last, or has not changed for `patience` seconds."""
    last, since = look(), time.monotonic()
    while not enough(last):
        if time.monotonic() - since > patience:
            return False
        time.sleep(every)
        if (now := look()) != last:
            last, since = now, time.monotonic()
    return True
