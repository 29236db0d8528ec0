"""What the queue of a fleet had of each line: how often it was published, and delivered."""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property

from pipeline.intake.received import Received
from tests.simulation.course import Course
from tests.simulation.judge.troubles import Troubles, Window, overlaps
from tests.simulation.peers.nats import Message
from tests.simulation.peers.stores import TOKEN
from tests.simulation.world.world import SECOND

STOPPING = 25 * SECOND
"""How long a hub may take from SIGTERM to its end."""
REFUSED = 10 * SECOND
"""How long after a stream was full what it has refused is published at the latest."""


class Queue:
    """The messages that were ever stored."""

    def __init__(self, course: Course, troubles: Troubles) -> None:
        """Of a course with a queue."""
        assert course.nats is not None
        self._stored = course.nats.stored
        self._hubs = [end for name in course.plan.setup.hubs for end in troubles.ends[name]]
        self._troubles = troubles

    @cached_property
    def _messages(self) -> dict[tuple[str, int], list[Message]]:
        received, found = Received(), defaultdict(list)
        for message in self._stored:
            batches, _ = received.message(_headers(message.head), message.data) or ([], 0)
            for batch in batches:
                for text in batch.lines:
                    for name, number, *_ in TOKEN.findall(text.decode("utf-8", "replace")):
                        found[name, int(number)].append(message)
        return found

    def published(self, name: str, number: int, before: int) -> list[int]:
        """When a line was stored until then, in nanoseconds of the world."""
        return [one.time for one in self._messages[name, number] if one.time <= before]

    def refused(self, name: str, number: int) -> bool:
        """Whether a full stream may have refused a line, and taken what was on its way behind it:
        see `Order` in `pipeline/sinks/nats.py`."""
        full = [one for one in self._troubles.queue if one.verb == "queue_full"]
        stored = [one.time for one in self._messages[name, number]]
        return bool(stored) and overlaps(full, stored[0] - REFUSED, stored[0])

    def by_one_hub(self, name: str, one: int, other: int) -> bool:
        """Whether one hub alone has had two lines."""
        messages = (*self._messages[name, one], *self._messages[name, other])
        return len({hub for message in messages for hub in message.hubs}) == 1

    def delivered_twice(self, name: str, number: int) -> bool:
        """Whether a line was delivered more than once."""
        return sum(len(one.given) for one in self._messages[name, number]) > 1

    def delivered_again(self, name: str, number: int, before: int) -> bool:
        """Whether a message of a line was delivered to another hub, or again, since a hub has ended
        that may have had it, or an acknowledgement may have been lost."""
        for message in self._messages[name, number]:
            given = [at for at in message.given if at <= before]
            if len(given) > 1:
                begin = given[0] - SECOND
                if overlaps(self._troubles.queue, begin, given[-1]) or any(
                    begin <= end.begin and end.begin - _stopping(end) <= given[-1]
                    for end in self._hubs
                ):
                    return True
        return False


def _stopping(end: Window) -> int:
    """How long before its end a hub may have given messages back."""
    return STOPPING if end.verb == "SIGTERM" else 0


def _headers(head: bytes) -> dict[str, str]:
    lines = head.decode().split("\r\n")[1:]
    return {key: value.strip() for key, _, value in (one.partition(":") for one in lines) if key}
