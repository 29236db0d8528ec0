"""What becomes of lines on their way from a log to its container's lanes."""

from __future__ import annotations

import struct
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from pipeline.acknowledgement import Acknowledgement
from pipeline.batch import Batch, Container
from pipeline.checkpoint import Position
from pipeline.metrics import Metrics
from pipeline.settlement import Account
from pipeline.sources.docker.cursor import Replay
from pipeline.sources.docker.emission import Emission
from pipeline.sources.docker.frames import Frames
from pipeline.sources.docker.pieces import Columns, no_columns
from pipeline.sources.docker.rotation import Rotation

NOW = 1_800_000_000.5
"""By the agent's clock: 2027-01-15T08:00:00.5Z."""
BEGINNING = Position()
T1 = b"2026-01-31T23:59:59.000000001Z"


class Subject:
    """The container of a log, which keeps what it is given."""

    rotation: Rotation | None = None
    unsettled = 0

    def __init__(self) -> None:
        self.container = Container("a" * 64, "web", "image")
        self.batches: list[Batch] = []
        self.inexact: list[int] = []

    async def learn(self) -> bool | None:
        return None

    async def distribute(self, batch: Batch, ack: Acknowledgement) -> None:
        self.batches.append(batch)

    def ended(self) -> None: ...

    def resumed_inexactly(self, sequence: int) -> None:
        self.inexact.append(sequence)


class Emitting:
    """An emission, and what has come of it."""

    def __init__(self, position: Position = BEGINNING, *, ahead: float = 0.0) -> None:
        """`ahead`: seconds that the Engine's clock is ahead."""
        self.subject = Subject()
        self.moved: list[Position] = []
        self.metrics = Metrics(CollectorRegistry())
        engine: Any = SimpleNamespace(clock_offset=ahead)
        account = Account(self.moved.append)
        self.emission = Emission(engine, self.subject, position, account, self.metrics)
        self.decoder = Frames(8)

    async def write(self, *lines: bytes, time: bytes = T1 + b" ") -> None:
        columns = self.decoder.feed(b"".join(frame(time + line + b"\n") for line in lines))
        self.emission.cursor.see(columns, self.decoder)
        await self.emission.take(columns, self.decoder)

    def count(self, name: str) -> float:
        value = self.metrics.registry.get_sample_value
        return value(f"dockline_{name}_total", {"container": "web"}) or 0.0


def frame(payload: bytes) -> bytes:
    return struct.pack(">BxxxI", 1, len(payload)) + payload


async def test_lines_are_numbered_on_from_the_position_and_counted_with_their_bytes() -> None:
    made = Emitting(Position(sequence=7, mark=1))
    await made.write(b"a", b"bc")
    await made.write(b"def")
    assert [list(one.sequences) for one in made.subject.batches] == [[8, 9], [10]]
    assert made.count("received_entries") == 3
    assert made.count("received_bytes") == 6
    assert [one.sequence for one in made.moved] == [9, 10]


@pytest.mark.parametrize(("ahead", "hour"), [(0.0, "08"), (3600.0, "09"), (-3600.0, "07")])
async def test_a_line_without_a_time_gets_that_of_the_engines_clock(
    ahead: float, hour: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(time=lambda: NOW)
    monkeypatch.setattr("pipeline.sources.docker.emission.time", clock)
    made = Emitting(ahead=ahead)
    await made.write(b"timely")
    await made.write(b"late", time=b"")
    times = [time for one in made.subject.batches for time in one.times]
    assert times == [T1, f"2027-01-15T{hour}:00:00.500000000Z".encode()]


async def test_a_line_that_was_cut_says_so_and_no_other_does() -> None:
    made = Emitting()
    await made.write(b"short", b"far too long", b"short")
    await made.write(b"short")
    assert [one.flags for one in made.subject.batches] == [{2: "truncated"}, None]


async def test_before_the_first_line_of_a_log_is_settled_it_is_noted_which_one_it_is() -> None:
    made = Emitting()
    await made.write(b"first")
    await made.write(b"second")
    assert [(one.sequence, bool(one.first), bool(one.mark)) for one in made.moved] == [
        (0, True, False),
        (1, False, True),
        (2, False, True),
    ]


async def test_where_nothing_was_open_at_the_end_nothing_is_given_up_on() -> None:
    made = Emitting()
    await made.emission.give_up_on(no_columns())
    assert (made.subject.batches, made.subject.inexact, made.moved) == ([], [], [])


@pytest.mark.parametrize(("gap", "inexact"), [(False, False), (False, True), (True, True)])
def test_lines_that_are_missing_are_a_gap_and_numbers_in_doubt_are_told(
    gap: bool, inexact: bool, caplog: pytest.LogCaptureFixture
) -> None:
    made = Emitting(Position(since=T1.decode(), sequence=7))
    replay = Replay(made.emission.position)
    replay.gap, replay.inexact = gap, inexact
    later = b"2026-02-01T00:00:00.000000000Z"
    made.emission.note_replayed(replay, Columns([b"a"], [later], bytearray(1), [], {}), "a reason")
    assert made.count("log_gaps") == gap
    assert made.emission.position.sequence == 7 + gap
    assert made.subject.inexact == [7 + gap] * inexact
    said = f"lines between {T1.decode()} and {later.decode()} may be lost: a reason"
    assert (said in caplog.text) == gap
