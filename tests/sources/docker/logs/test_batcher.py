"""Lines of a log are numbered, and move its position in order."""

from __future__ import annotations

import struct

import pytest

from pipeline.accounting.acks import AckTracker
from pipeline.accounting.checkpoint import Position
from pipeline.model.batch import Batch
from pipeline.model.container import Container
from pipeline.sources.docker.decode.decoded import DecodedLines
from pipeline.sources.docker.decode.frames import FrameDecoder
from pipeline.sources.docker.logs.batcher import Batcher, Gap, Numbered

NOW = 1_800_000_000.5
"""By the agent's clock: 2027-01-15T08:00:00.5Z."""
BEGINNING = Position()
WEB = Container("a" * 64, "web", "image")
T1 = b"2026-01-31T23:59:59.000000001Z"


class Batching:
    """A batcher, and what it has given."""

    def __init__(self, position: Position = BEGINNING, *, ahead: float = 0.0) -> None:
        """`ahead`: seconds that the Engine's clock is ahead."""
        self.moved: list[Position] = []
        self.batcher = Batcher(position, AckTracker(self.moved.append), lambda: NOW + ahead)
        self.decoder = FrameDecoder(8)
        self.given: list[Numbered] = []

    def write(self, *lines: bytes, time: bytes = T1 + b" ") -> Numbered | None:
        data = b"".join(frame(time + line + b"\n") for line in lines)
        given = self.batcher.take(self.decoder.feed(data), WEB)
        if given is not None:
            given.ack.settle()
            self.given.append(given)
        return given

    @property
    def batches(self) -> list[Batch]:
        return [given.batch for given in self.given if given.batch is not None]


def frame(payload: bytes) -> bytes:
    return struct.pack(">BxxxI", 1, len(payload)) + payload


def test_lines_are_numbered_on_from_the_position_and_move_it_when_they_are_settled() -> None:
    made = Batching(Position(sequence=7, mark=1))
    made.write(b"a", b"bc")
    made.write(b"def")
    assert [list(one.sequences) for one in made.batches] == [[8, 9], [10]]
    assert [one.container for one in made.batches] == [WEB, WEB]
    assert [one.sequence for one in made.moved] == [9, 10]


@pytest.mark.parametrize(("ahead", "hour"), [(0.0, "08"), (3600.0, "09"), (-3600.0, "07")])
def test_a_line_without_a_time_gets_that_of_the_engines_clock(ahead: float, hour: str) -> None:
    made = Batching(ahead=ahead)
    made.write(b"timely")
    made.write(b"late", time=b"")
    times = [time for one in made.batches for time in one.times]
    assert times == [T1, f"2027-01-15T{hour}:00:00.500000000Z".encode()]


def test_a_line_that_was_cut_says_so_and_no_other_does() -> None:
    made = Batching()
    made.write(b"short", b"far too long", b"short")
    made.write(b"short")
    assert [one.flags for one in made.batches] == [{2: "truncated"}, None]


def test_before_the_first_line_of_a_log_is_settled_it_is_noted_which_one_it_is() -> None:
    made = Batching()
    made.write(b"first")
    made.write(b"second")
    assert [(one.sequence, bool(one.first), bool(one.mark)) for one in made.moved] == [
        (0, True, False),
        (1, False, True),
        (2, False, True),
    ]


def test_where_nothing_was_open_at_the_end_nothing_is_given_up_on() -> None:
    made = Batching()
    assert made.batcher.take_unfinished(DecodedLines(), WEB) is None
    assert made.moved == []


def test_lines_given_up_on_while_open_are_in_doubt_from_there_on() -> None:
    made = Batching(Position(sequence=7, mark=1))
    open_line = DecodedLines([b"a"], [T1], bytearray(b"\1"))
    given = made.batcher.take_unfinished(open_line, WEB)
    assert given is not None
    assert given.batch is not None
    assert (list(given.batch.sequences), given.gap, given.doubtful_from) == ([8], None, 8)


LATER = b"2026-02-01T00:00:00.000000000Z"


def test_where_the_line_at_the_position_is_gone_a_gap_is_said_and_a_number_left_out() -> None:
    made = Batching(Position(since=T1.decode(), skip=1, mark=1, sequence=7))
    made.batcher.resume("a reason")
    given = made.write(b"a", time=LATER + b" ")
    assert given is not None
    assert given.batch is not None
    assert given.gap == Gap(T1.decode(), LATER, "a reason")
    assert (list(given.batch.sequences), given.doubtful_from) == ([9], 8)


def test_where_another_line_is_where_the_last_one_was_it_is_new_and_a_gap_is_told() -> None:
    made = Batching(Position(since=T1.decode(), skip=1, mark=12345, sequence=7))
    made.batcher.resume("a reason")
    given = made.write(b"other", b"new")
    assert given is not None
    assert given.batch is not None
    assert given.gap is not None
    assert (given.batch.lines, given.doubtful_from) == ([b"other", b"new"], 8)


@pytest.mark.parametrize("left_out", ["", "left out"])
def test_a_line_that_is_found_further_on_says_that_lines_were_left_out_where_none_should_be(
    left_out: str,
) -> None:
    """Podman follows a container that has ended with holes; the whole log has more before it."""
    made = Batching()
    made.batcher.resume("a reason", left_out=left_out)
    assert made.write(b"a", b"c")
    made.batcher.resume("a reason", left_out=left_out)
    given = made.write(b"a", b"b", b"c", b"d")
    assert given is not None
    assert given.batch is not None
    assert given.batch.lines == [b"d"]
    assert given.gap == (Gap(T1.decode(), T1, left_out) if left_out else None)
    assert given.doubtful_from is not None


def test_what_is_missing_is_said_with_the_next_line_and_once() -> None:
    made = Batching(Position(since=T1.decode(), sequence=7))
    made.batcher.missing = "damaged"
    assert made.batcher.take(DecodedLines(), WEB) is None
    first, second = made.write(b"a", time=LATER + b" "), made.write(b"b", time=LATER + b" ")
    assert first is not None
    assert second is not None
    assert (first.gap, first.doubtful_from) == (Gap(T1.decode(), LATER, "damaged"), None)
    assert second.gap is None
    assert [list(one.sequences) for one in made.batches] == [[9], [10]]


def test_what_is_missing_at_the_end_is_said_with_what_was_known_of_it() -> None:
    made = Batching(Position(since=T1.decode(), sequence=7, mark=1))
    assert made.batcher.gap_at_end("torn") == Numbered(
        gap=Gap(T1.decode(), b"", "torn"), doubtful_from=8
    )
    made.batcher.missing = "damaged"
    assert made.batcher.gap_at_end("torn").gap == Gap(T1.decode(), b"", "damaged")
    assert made.batcher.missing == ""


def test_the_end_of_a_run_is_noted_when_all_before_it_is_settled() -> None:
    made = Batching(Position(sequence=7, mark=1))
    data = made.decoder.feed(frame(T1 + b" a\n"))
    given = made.batcher.take(data, WEB)
    made.batcher.end("2026-01-31T23:00:00Z")
    assert made.moved == []
    assert given is not None
    given.ack.settle()
    assert [(one.sequence, one.ended) for one in made.moved] == [(8, "2026-01-31T23:00:00Z")]
