"""The Engine's events: their parts, entries made of them, and the cursor that skips repeated
ones.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pipeline.accounting.checkpoint import Position
from pipeline.model.batch import Batch
from pipeline.model.container import Container
from pipeline.model.timestamps import from_nanoseconds, to_since
from pipeline.sources.docker.discovery.watch import Event


def event_time(event: Event) -> int:
    """Returns the event's time in nanoseconds since the epoch; 0 when it has none."""
    return int(event.get("timeNano") or int(event.get("time") or 0) * 10**9)


def action_of(event: Event) -> str:
    """Returns the event's action without its details, such as `health_status`.

    Docker writes `health_status: healthy`. Podman's `remove` is returned as Docker's `destroy`.
    """
    action = str(event.get("Action") or "").partition(":")[0]
    return "destroy" if action == "remove" else action


def health_of(event: Event) -> str:
    """Returns the health in a `health_status` event, such as `healthy` or `unhealthy`.

    Docker writes it into the action, Podman into a field of its own.
    """
    _, _, health = str(event.get("Action") or "").partition(": ")
    return health or str(event.get("HealthStatus") or "")


def exit_code_of(event: Event) -> int | None:
    """Returns the exit code in a `die` event; None when a label is in its place."""
    code = str(event["Actor"]["Attributes"].get("exitCode", ""))
    return int(code) if _EXIT_CODE.fullmatch(code) else None


def event_batch(event: Event, words: str, container: Container, sequence: int) -> Batch:
    """Makes an event into a batch of one entry, with `words` as its message.

    `sequence` is the entry's number. Its fields have what Docker says under `docker.event`:
    `action`, and depending on it `exit_code`, `old_name` or `health`.
    """
    action = action_of(event)
    fields: dict[str, Any] = {"docker": {"event": {"action": action, **_details(action, event)}}}
    return Batch(
        container,
        [words.encode(errors="replace")],
        [from_nanoseconds(event_time(event))],
        b"\x00",
        range(sequence, sequence + 1),
        source="events",
        fields=[fields],
    )


def with_details(batch: Batch, words: str, details: Mapping[str, Any]) -> Batch:
    """Returns the same entry with `words` as its message, and `details` added to its
    `docker.event` fields."""
    (fields,) = batch.fields or [{}]
    event = {**fields["docker"]["event"], **details}
    line = words.encode(errors="replace")
    return batch.replace(lines=[line], fields=[{"docker": {"event": event}}])


def _details(action: str, event: Event) -> dict[str, Any]:
    """Returns what an action adds as fields.

    An attribute may be a label of the same name, so only attributes that the action has are read.
    """
    attributes = event["Actor"]["Attributes"]
    if action == "die" and (code := exit_code_of(event)) is not None:
        return {"exit_code": code}
    if action == "rename" and "oldName" in attributes:  # Podman does not tell
        return {"old_name": attributes["oldName"].lstrip("/")}
    if action == "health_status":
        return {"health": health_of(event)}
    return {}


_EXIT_CODE = re.compile(r"[0-9]{1,3}", re.ASCII)
"""A label named `exitCode` replaces the attribute (Engine 26.1) and may be any text."""


class EventCursor:
    """The position in the Engine's events. Tells new events from repeated ones.

    Subscribed with `since`, which is inclusive, the Engine sends the events of that nanosecond
    again. So the position is a time and the number of events seen at that time (`Position.since`
    and `skip`).
    """

    def __init__(self, position: Position) -> None:
        """`position` is behind the last event that was taken; an empty one for no event yet."""
        self._time = position.since.encode()
        self._count = position.skip
        self._again = 0

    @property
    def position(self) -> Position:
        """The position behind the last new event, for the checkpoint."""
        return Position(since=self._time.decode(), skip=self._count)

    @property
    def since(self) -> str:
        """The `since` to subscribe with: seconds with a fraction, as text; empty to get only new
        events.
        """
        return to_since(self._time) if self._time else ""

    def reconnected(self) -> None:
        """Must be called when events are subscribed to again: those of the last nanosecond are
        repeated.
        """
        self._again = 0

    def is_new(self, event: Event) -> bool:
        """Whether the event was not seen before, and moves the cursor over it.

        An event with an earlier time than the newest one counts as new.
        """
        time = from_nanoseconds(event_time(event))
        if time > self._time:
            self._time, self._count, self._again = time, 1, 1
            return True
        if time == self._time:
            self._again += 1
            if self._again <= self._count:
                return False
            self._count = self._again
        return True
