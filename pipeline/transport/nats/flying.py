"""Published messages that are not answered yet, by the numbers of their reply subjects."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, Final, Generic, TypeVar

from pipeline.transport.nats.errors import NO_ACKNOWLEDGEMENT, ApiProblem
from pipeline.transport.nats.outgoing import Outgoing
from pipeline.transport.nats.runs import Run

Sent = TypeVar("Sent", bound=Outgoing)

_FIRST: Final = attrgetter("first")
_OPEN: Final = b"\1"


class Flight(Generic[Sent]):
    """What one call of `publish` has on its way."""

    __slots__ = ("_stored", "count", "problems", "size", "stream")

    def __init__(self, stored: Callable[[Sent, int, int], object], stream: str) -> None:
        """`stored` is called for messages that `stream` has: from the second argument up to but not
        including the third."""
        self._stored = stored
        self.stream = stream
        self.count = 0
        """How many messages that is."""
        self.size = 0
        """Bytes of their bodies."""
        self.problems: list[tuple[Sent, int, ApiProblem]] = []

    def acknowledged(self, span: _Span, first: int, stop: int, stream: bytes) -> None:
        """By number. Messages that were answered before are passed over."""
        for start, end in span.open_between(first, stop):
            messages, at, to = span.landed(start, end)
            if stream == self.stream.encode():
                self._stored(messages, at, to)
            else:
                self.problems += [(messages, at, NO_ACKNOWLEDGEMENT) for at in range(at, to)]

    def answered(self, span: _Span, number: int, problem: ApiProblem | None) -> None:
        """`problem`: why the message is not stored; None where it is."""
        messages, at, to = span.landed(number, number + 1)
        if problem is None:
            self._stored(messages, at, to)
        else:
            self.problems.append((messages, at, problem))


class _Span:
    """Messages that follow each other, and so do their numbers."""

    __slots__ = ("_messages", "_open", "_start", "first", "flight", "left", "stop")

    def __init__(
        self, flight: Flight[Any], messages: Outgoing, start: int, stop: int, first: int
    ) -> None:
        self.flight = flight
        self.first = first
        """The number of the first message."""
        self.stop = first + stop - start
        self.left = stop - start
        """How many are not answered."""
        self._messages = messages
        self._start = start
        self._open = bytearray(_OPEN) * self.left
        flight.count += self.left
        flight.size += messages.size(start, stop)

    def open_between(self, first: int, stop: int) -> list[tuple[int, int]]:
        """By number, those that are not answered."""
        found, end = [], stop - self.first
        at = self._open.find(_OPEN, first - self.first, end)
        while at >= 0:
            to = self._open.find(b"\0", at, end)
            to = end if to < 0 else to
            found.append((self.first + at, self.first + to))
            at = self._open.find(_OPEN, to, end)
        return found

    def landed(self, first: int, stop: int) -> tuple[Any, int, int]:
        """Messages by number, which are answered now: which they are."""
        at, to = first - self.first, stop - self.first
        self._open[at:to] = bytes(to - at)
        self.left -= to - at
        start, end = self._start + at, self._start + to
        self.flight.count -= to - at
        self.flight.size -= self._messages.size(start, end)
        return self._messages, start, end


class Flying:
    """All that is on its way over one connection."""

    def __init__(self) -> None:
        self._spans: list[_Span] = []
        """By number."""
        self._next = 0

    def add(self, flight: Flight[Any], messages: Outgoing, start: int, stop: int) -> int:
        """Messages that are published now. Returns the number of the first; those of the others
        follow."""
        first = self._next
        self._spans.append(_Span(flight, messages, start, stop, first))
        self._next += stop - start
        return first

    def forget(self, flight: Flight[Any]) -> None:
        """Its messages are not waited for any more."""
        self._spans = [span for span in self._spans if span.flight is not flight]

    def clear(self) -> None:
        """No message is waited for any more."""
        self._spans.clear()

    def answered(self, number: int, problem: Callable[[str], ApiProblem | None]) -> bool:
        """One message was answered. `problem` is asked why the stream does not have it. Returns
        False where it is not waited for."""
        index = self._index(number)
        if index == len(self._spans):
            return False
        span = self._spans[index]
        if number < span.first or not span.open_between(number, number + 1):
            return False
        span.flight.answered(span, number, problem(span.flight.stream))
        if not span.left:
            del self._spans[index]
        return True

    def acknowledged(self, runs: Sequence[Run]) -> None:
        """Messages were stored. Those that are not waited for are passed over."""
        spans = self._spans
        for stream, first, stop in runs:
            index = self._index(first)
            while index < len(spans) and (span := spans[index]).first < stop:
                start, end = max(first, span.first), min(stop, span.stop)
                span.flight.acknowledged(span, start, end, stream)
                if span.left:
                    index += 1
                else:
                    del spans[index]

    def _index(self, number: int) -> int:
        """Of the span with this number; of the next, where there is none."""
        index = bisect_right(self._spans, number, key=_FIRST)
        return index - (index > 0 and number < self._spans[index - 1].stop)
