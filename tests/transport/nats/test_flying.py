"""Published messages and their answers, by number."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pipeline.encode.nats.documents import Documents
from pipeline.encode.nats.messages import JsonMessages
from pipeline.testing.builders import batch
from pipeline.transport.nats.errors import NO_ACKNOWLEDGEMENT, NO_RESPONDERS
from pipeline.transport.nats.flying import Flight, Flying


def documents(count: int) -> Documents:
    (some,) = JsonMessages(lambda batch: "s", {}).of([batch(*map(str, range(count)))])
    return some


class Known:
    """Two flights, whose spans take turns: numbers 0 to 3, 4 to 5, 6 to 9."""

    def __init__(self) -> None:
        self.flying = Flying()
        self.stored: list[tuple[str, int]] = []
        self.one, self.two = self._flight("one"), self._flight("two")
        some, other = documents(10), documents(10)
        assert self.flying.add(self.one, some, 0, 4) == 0
        assert self.flying.add(self.two, other, 5, 7) == 4
        assert self.flying.add(self.one, some, 6, 10) == 6

    def _flight(self, name: str) -> Flight[Documents]:
        def stored(_: Any, start: int, stop: int) -> None:
            self.stored += [(name, index) for index in range(start, stop)]

        return Flight(stored, "S")


WHERE = (
    [("one", n) for n in range(4)] + [("two", 5), ("two", 6)] + [("one", n) for n in range(6, 10)]
)


def test_a_run_may_go_over_several_flights() -> None:
    known = Known()
    assert (known.one.count, known.two.count) == (8, 2) and known.one.size > known.two.size > 0
    known.flying.acknowledged([(b"S", 2, 8)])
    assert known.stored == WHERE[2:8]
    assert (known.one.count, known.two.count, known.two.size) == (4, 0, 0)
    known.flying.acknowledged([(b"S", 0, 10**18)])
    assert known.stored == WHERE[2:8] + WHERE[:2] + WHERE[8:]
    assert (known.one.count, known.one.size) == (0, 0)


def test_what_is_not_waited_for_changes_nothing() -> None:
    known = Known()
    for _ in range(2):
        known.flying.acknowledged([(b"S", 3, 4), (b"S", 10, 99), (b"S", 10**17, 10**18)])
        assert known.flying.answered(3, lambda stream: NO_RESPONDERS) is False
        assert known.flying.answered(10, lambda stream: NO_RESPONDERS) is False
    assert known.stored == [("one", 3)] and known.one.count == 7
    known.flying.forget(known.one)
    known.flying.acknowledged([(b"S", 0, 10)])
    assert known.stored == [("one", 3), ("two", 5), ("two", 6)]
    known.flying.clear()
    assert known.flying.answered(7, lambda stream: None) is False


def test_another_stream_is_no_acknowledgement() -> None:
    known = Known()
    known.flying.acknowledged([(b"T", 3, 5), (b"S", 3, 5)])
    assert known.stored == []
    assert [(at, why) for _, at, why in known.one.problems] == [(3, NO_ACKNOWLEDGEMENT)]
    assert [(at, why) for _, at, why in known.two.problems] == [(5, NO_ACKNOWLEDGEMENT)]


def test_a_single_answer_is_judged_by_whoever_brings_it() -> None:
    known = Known()
    asked: list[str] = []

    def problem(stream: str) -> Any:
        asked.append(stream)
        return NO_RESPONDERS if len(asked) == 1 else None

    assert known.flying.answered(4, problem) and known.flying.answered(5, problem)
    assert asked == ["S", "S"] and known.stored == [("two", 6)]
    assert [(at, why) for _, at, why in known.two.problems] == [(5, NO_RESPONDERS)]
    assert known.two.count == 0


@given(st.lists(st.tuples(st.integers(0, 14), st.integers(1, 6), st.booleans()), max_size=12))
def test_each_message_is_stored_once_whatever_is_answered(
    answers: list[tuple[int, int, bool]],
) -> None:
    known = Known()
    expected: list[int] = []
    for first, count, alone in answers:
        stop = first + (1 if alone else count)
        if alone:
            known.flying.answered(first, lambda stream: None)
        else:
            known.flying.acknowledged([(b"S", first, stop)])
        expected += [n for n in range(first, min(stop, 10)) if n not in expected]
    assert known.stored == [WHERE[number] for number in expected]
    left = [WHERE[number][0] for number in range(10) if number not in expected]
    assert (known.one.count, known.two.count) == (left.count("one"), left.count("two"))
    assert (known.one.size == 0) is ("one" not in left)
