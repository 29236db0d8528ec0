"""Keeps the state of every container of one Engine: the one source for the page, `/metrics` and
the words of events.

Events keep it up to date. Lists and inspections make up for events that were lost, and tell what
was before the agent began.

https://docs.docker.com/reference/api/engine/#tag/Container/operation/ContainerList
"""

from __future__ import annotations

import math
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, get_args

from pipeline.model import plain
from pipeline.model.cadvisor import number, table
from pipeline.model.container import Container
from pipeline.model.container_state import UNKNOWN, End, State
from pipeline.sources.docker.discovery.events import action_of, event_time, exit_code_of, health_of
from pipeline.sources.docker.discovery.facts import from_list
from pipeline.sources.docker.discovery.inspection import moment, read_inspection
from pipeline.sources.docker.discovery.watch import Event
from pipeline.sources.docker.lifecycle import words

MOST_STATES: Final = 20_000
"""Containers whose state is known at most. Of those that do not run, the one heard of longest ago
goes first."""
OOM_AGAIN: Final = 2.0
"""Seconds in which `oom` events with nothing in between count as one: the Engine sends one for each
process that the kernel ends, and for each look at the control group."""
OOM_LATE: Final = 5.0
"""Seconds after an end in which an `oom` event tells of it."""
STOPPING: Final = 30.0
"""Seconds between a signal that asks a container to stop and an end that is due to it. A `docker
stop` with more patience sends another signal at its end, or tells of the end itself."""

DIFFERENT: Final = 2.0
"""Seconds by which an event's time and that of an inspection may differ, and mean the same start or
end."""

_STATES: Final = {
    "create": "created", "start": "running", "pause": "paused", "unpause": "running",
    "die": "exited", "destroy": "removed",
}  # fmt: skip
_EXITED: Final = re.compile(r"\((-?\d{1,10})\)")
_HEALTH: Final = re.compile(r"\((healthy|unhealthy|health: starting)\)")
_STOPPING_SIGNALS: Final = frozenset(
    ("2", "3", "9", "15", "SIGINT", "SIGQUIT", "SIGKILL", "SIGTERM", "INT", "QUIT", "KILL", "TERM")
)


class Told(NamedTuple):
    """What an event says."""

    words: str
    """As `docker ps` would put it, such as `exited with code 3 after 2 h`."""
    again: bool = False
    """Whether it only repeats the event before: see `OOM_AGAIN`."""


@dataclass(slots=True)
class _Known:
    """A state, and what is noted for changing it."""

    state: State = field(default_factory=State)
    heard: float = -math.inf
    """When the last event came, by the agent's clock."""
    asked: float = -math.inf
    """When it was last asked to stop, by the Engine's clock."""
    oom: float = -math.inf
    """When the last `oom` event was, by the Engine's clock; of this run."""
    oom_last: bool = False
    """Whether the last event was that one."""


class States:
    """The states of all containers of one Engine. Calls come from the event loop."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """`clock`: the agent's, in seconds since the epoch."""
        self.listed: dict[str, Container] = {}
        """The facts of all containers on the last complete list, by id."""
        self.cgroup_driver = "cgroupfs"
        """Of the Engine, as `GET /info` has it: it says how control groups are called."""
        self.tells_stops = True
        """Whether the Engine has events for signals and stops. Podman has none, so there an end by
        SIGTERM or SIGKILL may be on request or not."""
        self._clock = clock
        self._known: OrderedDict[str, _Known] = OrderedDict()

    def of(self, container_id: str) -> State:
        """The container's state, for reading: the same object until it is forgotten. `UNKNOWN` if
        nothing is known."""
        known = self._known.get(container_id)
        return known.state if known is not None else UNKNOWN

    def _heard_of(self, container_id: str) -> _Known:
        """What is known of the container, for changing it; empty if it is new."""
        known = self._known.get(container_id)
        if known is None:
            known = self._known[container_id] = _Known()
            if len(self._known) > MOST_STATES:
                self._make_room()
        else:
            self._known.move_to_end(container_id)
        return known

    def _make_room(self) -> None:
        """Forgets the oldest that does not run. Those that run are put behind the others, so that
        each is looked at once."""
        for _ in range(MOST_STATES):
            key, known = next(iter(self._known.items()))
            if not known.state.runs:
                break
            self._known.move_to_end(key)
        self._known.popitem(last=False)

    # ---------------------------------------------------------------------------- events

    def observe(self, event: Event) -> Told:
        """Takes an event of a container, and says it in words. Never raises, whatever its
        attributes are."""
        actor, action = event["Actor"], action_of(event)
        container_id, attributes = actor["ID"], actor["Attributes"]
        known = self._heard_of(container_id)
        known.heard = self._clock()
        at = event_time(event) / 1e9
        if action == "oom" and known.oom_last and at - known.oom < OOM_AGAIN:
            return Told(words.OUT_OF_MEMORY, again=True)
        known.oom_last = action == "oom"
        said = self._change(known, action, event, attributes, at)
        known.state.version += 1
        if action == "destroy":
            self._known.pop(container_id, None)
            self.listed.pop(container_id, None)
        return Told(said)

    def _change(
        self, known: _Known, action: str, event: Event, attributes: Mapping[str, Any], at: float
    ) -> str:
        state = known.state
        if action == "kill":
            if str(attributes.get("signal")) in _STOPPING_SIGNALS:
                known.asked = at
            return words.of("kill")
        if action == "stop":
            if state.ended and state.end == "by_itself":
                state.end = "stopped"
            return words.of("stop")
        if action == "oom":
            state.oom += 1
            known.oom = at
            if state.ended and state.end == "by_itself" and at - (state.finished or 0) < OOM_LATE:
                state.end = "oom_killed"
            return words.OUT_OF_MEMORY
        if action == "health_status":
            state.health = plain.name(health_of(event))[:32]
            return words.health(state.health)
        if action == "rename":
            return words.renamed(str(attributes.get("oldName", "")).lstrip("/"))
        if action == "die":
            return self._end(known, exit_code_of(event), at)
        if action == "start":
            self._start(known, at)
        elif action == "create":
            state.created, state.restarts = at, 0
        state.state = _STATES.get(action, state.state)
        return words.of(action)

    def _start(self, known: _Known, at: float) -> None:
        state = known.state
        again = state.state in ("exited", "restarting", "dead")
        state.starts += again
        if again and state.restarts is not None and state.end != "stopped":
            state.restarts += 1  # as far as is known: its inspection has the figure
        state.started = at
        state.exit_code = state.finished = None
        state.end, state.health = "", ""
        known.asked = known.oom = -math.inf

    def _end(self, known: _Known, code: int | None, at: float) -> str:
        state = known.state
        ran = at - state.started if state.started is not None else None
        if known.oom > known.asked:
            state.end = "oom_killed"
        elif at - known.asked < STOPPING:
            state.end = "stopped"
        elif self.tells_stops or code not in (137, 143):
            state.end = "by_itself"
        else:
            state.end = ""
        state.state, state.health, state.disk = "exited", "", None
        state.exit_code, state.finished = code, at
        return words.ended(code, state.end, ran)

    # --------------------------------------------------------------- lists and inspections

    def learn(self, item: Any, host: str, asked: float = math.inf) -> Container | None:
        """Takes an element of the Engine's list, which was asked for at `asked` by the agent's
        clock: a later event is right against it. None if it isn't a container."""
        try:
            container = from_list(item, host)
        except (LookupError, TypeError, AttributeError):
            return None
        self.note(container.id, item, asked)
        return container

    def note(self, container_id: str, item: Mapping[str, Any], asked: float = math.inf) -> None:
        """Takes the state in an element of the Engine's list, like `learn`."""
        name, status = str(item.get("State") or ""), str(item.get("Status") or "")
        now = self.of(container_id)
        quiet = now.created is not None and not now.health and "(" not in status
        if quiet and name == now.state == "running":
            return  # most of a list of 10,000
        known = self._heard_of(container_id)
        if known.heard >= asked:
            return
        created = _seconds(item.get("Created"))
        state = known.state
        found = _HEALTH.search(status)
        health = found[1].removeprefix("health: ") if found and name == "running" else ""
        code = _EXITED.search(status) if name in ("exited", "dead", "restarting") else None
        before = state.state, state.health, state.exit_code, state.created
        state.state, state.health = plain.name(name)[:32], health or state.health
        if name != "running":
            state.health = ""
        state.exit_code = _number(code[1]) if code else None
        if state.exit_code is None:
            state.finished, state.end = None, ""
        state.created = created if created is not None else state.created
        if before != (state.state, state.health, state.exit_code, state.created):
            state.version += 1

    def complete(self, listed: dict[str, Container]) -> None:
        """Takes the facts of all containers that a complete list had: others are gone."""
        for gone in self.listed.keys() - listed.keys():
            self._known.pop(gone, None)
        self.listed = listed

    def inspected(self, container_id: str, answer: Any, asked: float) -> None:
        """Takes the answer to `GET /containers/{id}/json`, which was asked for at `asked` by the
        agent's clock. Where an event came later, only what no event tells is taken. Never
        raises."""
        status = table(answer, "State")
        if not status:
            return
        known = self._heard_of(container_id)
        state, found = known.state, read_inspection(answer, self.cgroup_driver)
        state.cgroup = found.cgroup
        state.version += 1
        auto_remove = table(answer, "HostConfig").get("AutoRemove")
        state.auto_remove = auto_remove if isinstance(auto_remove, bool) else None
        if found.restarts is not None:
            state.restarts = found.restarts
        if known.heard >= asked:
            return
        state.state = plain.name(str(status.get("Status") or state.state))[:32]
        state.health = found.health if state.runs else ""
        if found.started is not None and (
            state.started is None or abs(found.started - state.started) > DIFFERENT
        ):
            state.started = found.started
        if state.runs or state.state == "created":
            state.exit_code, state.finished, state.end = None, None, ""
            return
        self._ended_as(known, status)

    def recall(self, container_id: str, finished: float, end: str) -> None:
        """Takes how a container ended that an earlier run of the agent saw end at that time. Does
        nothing if that was another end, or the state knows better."""
        known = self._known.get(container_id)
        if known is None or known.state.end or known.state.finished is None:
            return
        if end in get_args(End) and abs(known.state.finished - finished) < DIFFERENT:
            known.state.end = end  # type: ignore[assignment]
            known.state.version += 1

    def measured(self, container_id: str, size: int) -> None:
        """Takes the bytes of a container's writable layer. Does nothing if it does not run."""
        known = self._known.get(container_id)
        if known is not None and known.state.runs and known.state.disk != size:
            known.state.disk = size
            known.state.version += 1

    def _ended_as(self, known: _Known, status: Mapping[str, Any]) -> None:
        """Takes how it ended from an inspection."""
        state = known.state
        code, finished = number(status.get("ExitCode")), moment(status.get("FinishedAt"))
        seen = state.finished is not None
        if isinstance(code, int):
            state.exit_code = code
        if finished is not None and (not seen or abs(finished - (state.finished or 0)) > DIFFERENT):
            state.finished = finished
        if not seen:
            state.end = ""
        if status.get("OOMKilled") is True and state.end in ("", "by_itself"):
            state.end = "oom_killed"
            state.oom += known.oom == -math.inf


def _number(text: Any) -> int | None:
    try:
        return int(text)
    except (TypeError, ValueError, OverflowError):
        return None


def _seconds(value: Any) -> float | None:
    """A time, if it is one of this age."""
    return float(value) if isinstance(value, int | float) and 0 <= value < 1 << 40 else None


_AGES: Final = (("second", 1), ("minute", 60), ("hour", 3600), ("day", 86400), ("week", 604800))


def ended_within(status: str, seconds: float) -> bool:
    """Whether a container may have ended within so many seconds, by its `Status` in the Engine's
    list: `Exited (0) 3 hours ago`, `Exited (1) About a minute ago`. False for one of which that
    isn't said."""
    found = re.search(r"(\d+|an?|a) (second|minute|hour|day|week)", status)
    if found is None:
        return False
    count = int(found[1]) if found[1].isdigit() else 1
    return count * dict(_AGES)[found[2]] <= seconds
