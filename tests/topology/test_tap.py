"""What is shown to those who look at entries on their way, and what it may cost."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipeline.model.batch import Batch
from pipeline.model.errors import DocklineError
from pipeline.testing.builders import batch, container
from pipeline.topology.tap import (
    BYTES,
    ENTRIES,
    LONG,
    MOST_TAPPERS,
    WAITING,
    WINDOW,
    Choice,
    Tap,
    Tapper,
)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def read(tapper: Tapper) -> list[dict[str, Any]]:
    return [json.loads(line) for line in tapper.read().splitlines()]


def routed(*lines: str, name: str = "api-1", route: str = "all", **columns: Any) -> Batch:
    return batch(*lines, of=container(name, number=0xABCDEF << 232), route=route, **columns)


def many(count: int) -> Batch:
    return routed(*(f"line {number}" for number in range(count)))


def looking(clock: Clock, **choice: Any) -> tuple[Tap, Tapper]:
    tap = Tap()
    tapper = Tapper(Choice(**choice), clock)
    tap.tappers = (tapper,)
    return tap, tapper


def test_what_goes_to_a_sink_is_shown_as_a_json_sink_writes_it(clock: Clock) -> None:
    tap, tapper = looking(clock)
    tap.passed(routed("one", "two", fields=[{"a": 1}, {"a": 2}]), "out")
    first, second = read(tapper)
    assert (first["route"], first["sink"], second["entry"]["a"]) == ("all", "out", 2)
    assert first["entry"]["message"] == "one"
    assert first["entry"]["container"]["name"] == "api-1"
    assert read(tapper) == []


def test_what_a_stage_filters_is_shown_with_the_stage_to_those_who_want_what_is_dropped(
    clock: Clock,
) -> None:
    tap, tapper = looking(clock, dropped=True)
    before = routed("a", "b", "c", route="")
    tap.filtered(before, before.select([0, 1, 0]), "errors", "keep", ["out"])
    tap.filtered(before, None, "errors", "drop", ["out"])
    tap.passed(before, "out")
    found = [(one["stage"], one["entry"]["message"]) for one in read(tapper)]
    assert found == [("keep", "a"), ("keep", "c"), ("drop", "a"), ("drop", "b"), ("drop", "c")]


def test_of_an_entry_that_was_split_the_part_that_is_filtered_is_shown(clock: Clock) -> None:
    tap, tapper = looking(clock, dropped=True)
    before = routed("a", "b", "c", route="").replace(sequences=[1, 1, 1], parts=[1, 2, 3])
    tap.filtered(before, before.select([1, 0, 1]), "errors", "keep", ["out"])
    assert [one["entry"]["message"] for one in read(tapper)] == ["b"]


def test_what_a_sink_drops_is_shown_with_its_reason(clock: Clock) -> None:
    tap, tapper = looking(clock, dropped=True)
    tap.dropped(routed("a"), "out", "refused", "too long\n" * 1000)
    tap.lost("out", 7, "the disk is damaged")
    first, second = read(tapper)
    assert (first["dropped"], first["sink"], len(first["because"])) == ("refused", "out", 500)
    assert second == {"sink": "out", "dropped": "the disk is damaged", "entries": 7}


@pytest.mark.parametrize(
    ("choice", "shown"),
    [
        ({"routes": ["all"]}, True),
        ({"routes": ["al"]}, False),
        ({"routes": ["x", "a*"]}, True),
        ({"sinks": ["out"]}, True),
        ({"sinks": ["o?"]}, False),
        ({"containers": ["api-*"]}, True),
        ({"containers": ["web"]}, False),
        ({"containers": ["abcdef"]}, True),
        ({"containers": ["ab"]}, False),  # short enough to be a name
        ({"routes": ["all"], "containers": ["web"]}, False),
    ],
)
def test_patterns_choose(choice: dict[str, list[str]], shown: bool, clock: Clock) -> None:
    tap, tapper = looking(clock, **choice)
    tap.passed(routed("a"), "out")
    assert bool(read(tapper)) is shown


def test_what_is_filtered_is_found_by_each_sink_of_its_route(clock: Clock) -> None:
    tap, tapper = looking(clock, dropped=True, sinks=["b"])
    tap.filtered(routed("x"), None, "all", "keep", ["a", "b"])
    tap.filtered(routed("y"), None, "all", "keep", ["a"])
    assert [one["entry"]["message"] for one in read(tapper)] == ["x"]


def test_no_more_than_so_many_entries_are_shown_in_a_window_and_it_is_said(clock: Clock) -> None:
    tap, tapper = looking(clock)
    for _ in range(10):
        tap.passed(many(ENTRIES), "out")
    shown = read(tapper)
    assert len(shown) == ENTRIES
    clock.now += 1.0
    [report] = read(tapper)
    assert report == {"control": "sampled", "one_in": 10, "shown": ENTRIES, "of": 10 * ENTRIES}


def test_after_a_window_that_was_too_full_every_so_manyeth_is_shown(clock: Clock) -> None:
    tap, tapper = looking(clock)
    tap.passed(many(4 * ENTRIES), "out")
    tapper.read()
    clock.now += WINDOW
    for start in range(0, 100, 10):
        tap.passed(routed(*map(str, range(start, start + 10))), "out")
    assert [one["entry"]["message"] for one in read(tapper)] == [*map(str, range(0, 100, 4))]


def test_when_there_is_less_again_everything_is_shown_again(clock: Clock) -> None:
    tap, tapper = looking(clock)
    for entries in (4 * ENTRIES, 10, 10):
        tap.passed(many(entries), "out")
        clock.now += WINDOW
        found = read(tapper)
    assert sum("entry" in one for one in found) == 10


def test_no_more_than_so_many_bytes_are_shown_in_a_window(clock: Clock) -> None:
    tap, tapper = looking(clock)
    for _ in range(ENTRIES // 10):
        tap.passed(routed(*["x" * (LONG - 100)] * 10), "out")
    assert BYTES <= len(tapper.read()) < BYTES + 11 * LONG


def test_a_long_message_is_cut_and_the_others_of_its_batch_are_not(clock: Clock) -> None:
    tap, tapper = looking(clock)
    tap.passed(routed("x" * 1_000_000, "short", fields=[{"a": "y" * 1_000_000}, {"a": 1}]), "out")
    long, short = (one["entry"] for one in read(tapper))
    assert long["message"] == "x" * LONG
    assert long["log"]["flags"] == ["cut by tap"]
    assert "a" not in long
    assert (short["message"], short["a"]) == ("short", 1)


def test_what_is_not_read_in_time_is_lost_and_counted(clock: Clock) -> None:
    tap, tapper = looking(clock)
    rounds = 3 * WAITING // BYTES
    for _ in range(rounds):
        clock.now += WINDOW
        for _ in range(ENTRIES // 10):
            tap.passed(routed(*["x" * (LONG - 500)] * 10), "out")
    content = tapper.read()
    assert len(content) < WAITING + 1000
    lines = [json.loads(line) for line in content.splitlines()]
    [lost] = [one for one in lines if one.get("control") == "lost"]
    assert lost["entries"] > 0
    clock.now += 10
    tap.passed(routed("again"), "out")
    assert read(tapper)[0].get("entry", {}).get("message") == "again"


def test_so_many_may_look_and_no_more() -> None:
    tap = Tap()
    tappers = [tap.open(Choice()) for _ in range(MOST_TAPPERS)]
    with pytest.raises(DocklineError, match=f"{MOST_TAPPERS} are watching already"):
        tap.open(Choice())
    tap.leave(tappers[0])
    tap.leave(tappers[0])
    tap.open(Choice())
    tap.close()
    assert tap.tappers == ()
    assert all(tapper.closed for tapper in tappers)


def test_a_bug_ends_the_looking_and_is_not_the_agents(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    tap = Tap()
    tapper = tap.open(Choice())
    monkeypatch.setattr(tapper, "show", broken)
    tap.passed(routed("a"), "out")
    assert tap.tappers == ()
    assert tapper.closed
    assert "showing entries to a tapper failed" in caplog.text


async def test_a_reader_is_woken_by_what_comes_and_by_the_end() -> None:
    tap = Tap()
    tapper = tap.open(Choice())
    await tapper.wait(0.01)
    assert tapper.read() == b""
    tap.passed(routed("a"), "out")
    await tapper.wait(60)
    assert [one["entry"]["message"] for one in read(tapper)] == ["a"]
    tap.close()
    await tapper.wait(60)


def test_hostile_entries_are_one_line_of_json_each(clock: Clock) -> None:
    tap, tapper = looking(clock)
    hostile = batch(b"\xff\x00\n\x1b[2J", b"", fields=[{"a\n": float("nan")}, {}], route='"\n')
    tap.passed(hostile, "out\n")
    assert len(read(tapper)) == 2
