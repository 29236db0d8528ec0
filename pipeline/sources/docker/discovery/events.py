"""The Engine's events as entries."""

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
    """Nanoseconds since the epoch."""
    return int(event.get("timeNano") or int(event.get("time") or 0) * 10**9)


def action_of(event: Event) -> str:
    """The action alone: `health_status: healthy` is `health_status`, and Podman's `remove` is
    what Docker calls `destroy`."""
    action = str(event.get("Action") or "").partition(":")[0]
    return "destroy" if action == "remove" else action


def health_of(event: Event) -> str:
    """Of a `health_status`: `healthy`, `unhealthy` or such. Docker has it in the action, Podman
    beside it."""
    _, _, health = str(event.get("Action") or "").partition(": ")
    return health or str(event.get("HealthStatus") or "")


def event_batch(event: Event, container: Container, sequence: int) -> Batch:
    """One entry: a short sentence as its message, and fields by Elastic Common Schema, `event`
    (https://www.elastic.co/docs/reference/ecs/ecs-event) and, under `docker`, what Docker says."""
    action = action_of(event)
    details, words = _details(action, event)
    message = f"container {container.name} {action}{words}"
    fields: dict[str, Any] = {"docker": {"event": {"action": action, **details}}}
    return Batch(
        container,
        [message.encode(errors="replace")],
        [from_nanoseconds(event_time(event))],
        b"\x00",
        range(sequence, sequence + 1),
        source="events",
        fields=[fields],
    )


def with_details(batch: Batch, details: Mapping[str, Any]) -> Batch:
    """The same entry with more of what was found out since."""
    (fields,) = batch.fields or [{}]
    event = {**fields["docker"]["event"], **details}
    words = b" (out of memory)" if details.get("oom_killed") else b""
    return batch.replace(lines=[batch.lines[0] + words], fields=[{"docker": {"event": event}}])


def _details(action: str, event: Event) -> tuple[dict[str, Any], str]:
    """What is special to this action, as fields and as the end of the sentence. A label of the
    same name stands among the attributes too, so only those that the action has count."""
    attributes = event["Actor"]["Attributes"]
    if action == "die" and _EXIT_CODE.fullmatch(code := attributes.get("exitCode", "")):
        return {"exit_code": int(code)}, f" with exit code {code}"
    if action == "rename" and "oldName" in attributes:  # Podman does not tell
        old = attributes["oldName"].lstrip("/")
        return {"old_name": old}, f" from {old}"
    if action == "health_status":
        health = health_of(event)
        return {"health": health}, f": {health}"
    return {}, ""


_EXIT_CODE = re.compile(r"[0-9]{1,3}", re.ASCII)
"""A label of this name takes the attribute's place (Engine 26.1), and may be any text."""


class EventCursor:
    """Tells new events from those that come again after `since`, which is inclusive."""

    def __init__(self, position: Position) -> None:
        self._time = position.since.encode()
        self._count = position.skip
        self._again = 0

    @property
    def position(self) -> Position:
        return Position(since=self._time.decode(), skip=self._count)

    @property
    def since(self) -> str:
        """Where to subscribe, as the Engine takes it; empty for what happens from now on."""
        return to_since(self._time) if self._time else ""

    def reconnected(self) -> None:
        """The events at the cursor's own nanosecond will come again."""
        self._again = 0

    def is_new(self, event: Event) -> bool:
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
