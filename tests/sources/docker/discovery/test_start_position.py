"""Where the log of a container is begun, by the clocks of the Engine and of the agent."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.accounting.checkpoint import Checkpoint, Position
from pipeline.sources.docker.discovery.start_position import Start, StartPositions

ONE = "a" * 64
NOW = 1_800_000_000.5
"""By the agent's clock: 2027-01-15T08:00:00.5Z."""


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.sources.docker.discovery.start_position.time.time", lambda: NOW)


def beginning(
    start: Start = "now", *, offset: float = 0.0, saved: float = 0.0, known: Position | None = None
) -> StartPositions:
    """`offset`: seconds that the Engine's clock is ahead."""
    checkpoint = Checkpoint(None)
    checkpoint.last_saved = saved
    if known is not None:
        checkpoint.move(ONE, known)
    engine: Any = SimpleNamespace(clock_offset=offset)
    return StartPositions(engine, checkpoint, start)


def started(nanoseconds: int) -> dict[str, Any]:
    return {"Actor": {"ID": ONE, "Attributes": {}}, "timeNano": nanoseconds}


def listed(created: float) -> dict[str, Any]:
    return {"Id": ONE, "Created": int(created)}


def test_a_container_that_was_read_before_goes_on_where_it_was() -> None:
    known = Position(since="2027-01-15T07:00:00.000000000Z", skip=1)
    assert beginning(known=known).when_found(listed(NOW - 100)) == known
    assert beginning(known=known).at_start(started(int(NOW * 10**9))) == known


def test_one_that_was_seen_to_be_made_is_read_from_its_first_line_once() -> None:
    one = beginning()
    one.created(ONE)
    assert one.at_start(started(int(NOW * 10**9))) == Position()
    assert one.at_start(started(int(NOW * 10**9))) != Position()


def test_one_that_is_started_again_is_read_from_a_second_before() -> None:
    position = beginning().at_start(started(1_800_000_010 * 10**9))
    assert position == Position(since="2027-01-15T08:00:09.000000000Z")
    assert beginning("beginning").at_start(started(1)) == Position()


@pytest.mark.parametrize("offset", [0.0, 3600.0, -3600.0])
def test_now_and_a_while_ago_are_by_the_clock_of_the_engine(offset: float) -> None:
    hour = f"{8 + int(offset / 3600):02}"
    old = listed(NOW + offset - 10_000)
    assert beginning(offset=offset).when_found(old).since == f"2027-01-15T{hour}:00:00.500000000Z"
    ago = beginning(60.0, offset=offset).when_found(old)
    assert ago.since == f"2027-01-15T{int(hour) - 1:02}:59:00.500000000Z"


@pytest.mark.parametrize("offset", [0.0, 3600.0, -3600.0])
def test_new_is_what_was_made_since_the_agent_began_by_either_clock(offset: float) -> None:
    one = beginning(offset=offset)
    assert one.is_new(listed(NOW + offset + 2))
    assert not one.is_new(listed(NOW + offset - 2))


@pytest.mark.parametrize("offset", [0.0, 3600.0, -3600.0])
def test_new_is_what_was_made_since_the_agent_before_looked_last_by_either_clock(
    offset: float,
) -> None:
    one = beginning(offset=offset, saved=NOW - 1000)
    assert one.is_new(listed(NOW + offset - 998))
    assert one.is_new(listed(NOW + offset - 1000))  # within the same second: in doubt
    assert not one.is_new(listed(NOW + offset - 1002))


@pytest.mark.fault(9)
@pytest.mark.parametrize("step", [3600.0, -3600.0], ids=["ahead", "back"])
@pytest.mark.parametrize("theirs", [True, False], ids=["of one host", "of ours alone"])
def test_what_is_made_after_the_clock_was_set_is_new(
    monkeypatch: pytest.MonkeyPatch, step: float, theirs: bool
) -> None:
    one = beginning()
    monkeypatch.setattr(
        "pipeline.sources.docker.discovery.start_position.time.time", lambda: NOW + step
    )
    shift = step if theirs else 0.0
    one._engine.clock_offset = shift - step  # measured when it is connected again
    assert one.is_new(listed(NOW + shift + 2))
    assert not one.is_new(listed(NOW + shift - 4000))


@pytest.mark.fault(9)
def test_after_the_clock_was_set_back_what_the_agent_before_may_have_missed_is_new() -> None:
    one = beginning(saved=NOW + 3000)
    assert one.is_new(listed(NOW - 10))
