"""The last events of each container, for the page."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Final

from pipeline.model import plain
from pipeline.sources.docker.discovery.events import action_of, event_time
from pipeline.sources.docker.discovery.watch import Event
from pipeline.sources.docker.lifecycle.states import Told

MOST_EVENTS: Final = 50
"""Events kept of one container."""
MOST_WITH_EVENTS: Final = 2_000
"""Containers whose events are kept; the one without an event for the longest time goes first."""


@dataclass(frozen=True, slots=True)
class ContainerEvent:
    """An event of a container, as the page shows it."""

    time: float
    """Seconds since the epoch."""
    action: str
    """The Engine's word, such as `die`."""
    text: str
    """What happened, such as `exited with code 137 after 2 h`."""


class LastEvents:
    """The last events of the containers of one Engine."""

    def __init__(self) -> None:
        self._events: OrderedDict[str, deque[ContainerEvent]] = OrderedDict()

    def of(self, container_id: str) -> list[ContainerEvent]:
        """The container's last events, oldest first."""
        return list(self._events.get(container_id, ()))

    def observe(self, event: Event, told: Told) -> None:
        """Takes an event of a container, and what it says. One that only repeats the event before
        is left out. Never raises, whatever its attributes are."""
        if told.again:
            return
        key = event["Actor"]["ID"]
        kept = self._events.get(key)
        if kept is None:
            kept = self._events[key] = deque(maxlen=MOST_EVENTS)
            if len(self._events) > MOST_WITH_EVENTS:
                self._events.popitem(last=False)
        action = plain.name(action_of(event))[:32]
        kept.append(ContainerEvent(event_time(event) / 1e9, action, told.words))
        self._events.move_to_end(key)
