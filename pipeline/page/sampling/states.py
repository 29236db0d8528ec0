"""What the Engine says about each container: whether it runs, its health, how it ended.

Events keep it up to date at all times; the list of all containers, stopped ones included, is asked
for while somebody watches the page.

https://docs.docker.com/reference/api/engine/#tag/Container/operation/ContainerList
"""

from __future__ import annotations

import re
from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pipeline.model import plain
from pipeline.model.container import Container
from pipeline.sources.docker.discovery.events import action_of, event_time, health_of
from pipeline.sources.docker.discovery.facts import from_list
from pipeline.sources.docker.discovery.watch import Event

MOST_STATES: Final = 20_000
"""Containers whose state is known at most; the one heard of longest ago goes first."""
OOM_AGAIN: Final = 2.0
"""Seconds in which `oom` events with nothing in between count as one."""
MOST_EVENTS: Final = 50
"""Events kept of one container."""
MOST_WITH_EVENTS: Final = 2_000
"""Containers whose events are kept; the one without an event for the longest time goes first."""

_STATES: Final = {
    "create": "created", "start": "running", "pause": "paused", "unpause": "running",
    "die": "exited", "destroy": "removed",
}  # fmt: skip
_EXITED: Final = re.compile(r"\((-?\d{1,10})\)")
_HEALTH: Final = re.compile(r"\((healthy|unhealthy|health: starting)\)")


@dataclass(slots=True)
class State:
    """What is known of one container. `version` counts its changes."""

    state: str = ""
    """As the Engine names it: `running`, `exited` and so on; empty if it is not known."""
    health: str = ""
    exit_code: int | None = None
    """Of its last end, while it does not run."""
    starts: int = 0
    """How often it was seen to start again after an end."""
    oom: int = 0
    """How often it was seen to run out of memory."""
    created: float | None = None
    """Seconds since the epoch, like `started`."""
    started: float | None = None
    version: int = 0


UNKNOWN: Final = State()
"""The state of a container of which nothing is known, such as one on another host."""


@dataclass(frozen=True, slots=True)
class ContainerEvent:
    """An event of a container, as the page shows it."""

    time: float
    """Seconds since the epoch."""
    action: str
    """The Engine's word, such as `die`."""
    text: str
    """Details, such as `exit code 137`."""


@dataclass
class States:
    """The states of all containers of one Engine, and their last events."""

    host: str = ""
    listed: dict[str, Container] = field(default_factory=dict)
    """The facts of all containers on the last complete list, by id."""
    _states: OrderedDict[str, State] = field(default_factory=OrderedDict)
    _events: OrderedDict[str, deque[ContainerEvent]] = field(default_factory=OrderedDict)

    def of(self, container_id: str) -> State:
        """The container's state, for reading: the same object until it is forgotten. `UNKNOWN` if
        nothing is known."""
        return self._states.get(container_id, UNKNOWN)

    def _heard_of(self, container_id: str) -> State:
        """The container's state, for changing it; a new one if nothing was known."""
        state = self._states.get(container_id)
        if state is None:
            state = self._states[container_id] = State()
            if len(self._states) > MOST_STATES:
                self._states.popitem(last=False)
        else:
            self._states.move_to_end(container_id)
        return state

    def events(self, container_id: str) -> list[ContainerEvent]:
        """The container's last events, oldest first."""
        return list(self._events.get(container_id, ()))

    # ---------------------------------------------------------------------------- events

    def observe(self, event: Event) -> None:
        """Takes an event of a container. Never raises, whatever its attributes are."""
        actor, action = event["Actor"], action_of(event)
        container_id, attributes = actor["ID"], actor["Attributes"]
        time = event_time(event) / 1e9
        state = self._heard_of(container_id)
        if action == "oom" and self._is_same(container_id, time):
            return
        text = self._change(state, action, event, attributes, time)
        state.version += 1
        self._keep(container_id, ContainerEvent(time, plain.name(action)[:32], text))
        if action == "destroy":
            self._states.pop(container_id, None)
            self.listed.pop(container_id, None)

    def _change(
        self, state: State, action: str, event: Event, attributes: Mapping[str, Any], time: float
    ) -> str:
        if action == "start":
            state.starts += state.state == "exited"
            state.started, state.exit_code = time, None
        elif action == "create":
            state.created = time
        elif action == "oom":
            state.oom += 1
        elif action == "health_status":
            state.health = plain.name(health_of(event))[:32]
            return state.health
        elif action == "rename":
            return f"from {plain.name(str(attributes.get('oldName', '')).lstrip('/'))[:200]}"
        state.state = _STATES.get(action, state.state)
        if action == "die":
            state.health, state.exit_code = "", _number(attributes.get("exitCode"))
            return "" if state.exit_code is None else f"exit code {state.exit_code}"
        return ""

    def _is_same(self, container_id: str, time: float) -> bool:
        """Whether an `oom` event tells of the same end as the one before: the Engine sends one for
        each process that the kernel ends, and for each look at the control group."""
        if not (kept := self._events.get(container_id)):
            return False
        return kept[-1].action == "oom" and time - kept[-1].time < OOM_AGAIN

    def _keep(self, container_id: str, event: ContainerEvent) -> None:
        kept = self._events.get(container_id)
        if kept is None:
            kept = self._events[container_id] = deque(maxlen=MOST_EVENTS)
            if len(self._events) > MOST_WITH_EVENTS:
                self._events.popitem(last=False)
        kept.append(event)
        self._events.move_to_end(container_id)

    # ------------------------------------------------------------------------------ lists

    def learn(self, item: Any, host: str) -> Container | None:
        """Takes an element of the Engine's list; None if it isn't a container."""
        try:
            container = from_list(item, host)
            words, status = str(item.get("State") or ""), str(item.get("Status") or "")
            created = _seconds(item.get("Created"))
        except (LookupError, TypeError, AttributeError):
            return None
        state = self._heard_of(container.id)
        found = _HEALTH.search(status)
        health = found[1].removeprefix("health: ") if found and words == "running" else ""
        code = _EXITED.search(status) if words in ("exited", "dead", "restarting") else None
        before = state.state, state.health, state.exit_code, state.created
        state.state, state.health = plain.name(words)[:32], health or state.health
        if words != "running":
            state.health = ""
        state.exit_code = _number(code[1]) if code else None
        state.created = created if created is not None else state.created
        if before != (state.state, state.health, state.exit_code, state.created):
            state.version += 1
        return container

    def complete(self, listed: dict[str, Container]) -> None:
        """Takes the facts of all containers that a complete list had: others are gone."""
        for gone in self.listed.keys() - listed.keys():
            self._states.pop(gone, None)
        self.listed = listed


def _number(text: Any) -> int | None:
    try:
        return int(text)
    except (TypeError, ValueError, OverflowError):
        return None


def _seconds(value: Any) -> float | None:
    """A time, if it is one of this age."""
    return float(value) if isinstance(value, int | float) and 0 <= value < 1 << 40 else None
