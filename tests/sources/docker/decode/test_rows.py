"""Rows of a json-file make the same lines as the frames of a stream, in whatever pieces they come;
what is no row costs nothing but itself."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.model.timestamps import NO_TIME
from pipeline.sources.docker.decode import rows as module
from pipeline.sources.docker.decode.decoded import DecodedLines
from pipeline.sources.docker.decode.frames import FrameDecoder
from pipeline.sources.docker.decode.rows import SEAL, RowDecoder
from tests.sources.docker.decode.json_rows import T1, T2, at, row, together

pytestmark = pytest.mark.usefixtures("either_loops")

MAX = 1 << 20


def all_of(lines: RowDecoder, *parts: bytes) -> list[bytes]:
    """Every line, damage passed over."""
    found: list[bytes] = []
    for part in parts:
        found += lines.feed(part).lines
        while lines.damaged:
            found += lines.feed(b"").lines
    return found


def test_a_row_is_a_line_without_its_newline() -> None:
    columns = RowDecoder(MAX).feed(row("one\n") + row("zwei ü \"'\\\n", "stderr", T2))
    assert columns.lines == [b"one", "zwei ü \"'\\".encode()]
    assert columns.times == [T1.encode(), T2.encode()]
    assert columns.streams == bytearray([1, 2])


@pytest.mark.parametrize(
    ("written", "given"),
    [
        ("2026-01-31T23:59:59.1234Z", b"2026-01-31T23:59:59.123400000Z"),
        ("2026-01-31T23:59:59Z", b"2026-01-31T23:59:59.000000000Z"),
        ("yesterday", NO_TIME),
        ("", NO_TIME),
    ],
)
def test_times_have_nine_digits_behind_the_point_whatever_was_written(
    written: str, given: bytes
) -> None:
    columns = RowDecoder(MAX).feed(row("a\n", time=written) + row("b\n"))
    assert columns.times == [given, T1.encode()]
    assert columns.lines == [b"a", b"b"]


def test_attributes_are_passed_over_even_if_they_look_like_a_stream() -> None:
    data = row("a\n", "stderr", attrs={"stream": "stdout"}) + row("b\n")
    columns = RowDecoder(MAX).feed(data)
    assert (columns.lines, columns.streams) == ([b"a", b"b"], bytearray([2, 1]))


def test_a_text_may_look_like_a_row() -> None:
    text = row("inner\n").decode()[:-1]
    assert RowDecoder(MAX).feed(row(text + "\n")).lines == [text.encode()]


def test_pieces_of_a_long_line_are_joined_per_stream_and_keep_their_time() -> None:
    lines = RowDecoder(MAX)
    long = "x" * 16384
    columns = lines.feed(row(long) + row("other\n", "stderr", T2) + row("end\n"))
    assert columns.lines == [b"other", long.encode() + b"end"]
    assert columns.times == [T2.encode(), T1.encode()]
    assert columns.begun == {1: 0}


def test_what_a_process_writes_last_needs_no_newline() -> None:
    assert RowDecoder(MAX).feed(row("first\n") + row("last")).lines == [b"first", b"last"]


def test_a_terminals_lines_lose_their_carriage_return_and_its_last_comes_at_the_end() -> None:
    lines = RowDecoder(MAX, tty=True)
    assert lines.feed(row("first\r\n") + row("$ ")).lines == [b"first"]
    assert lines.flush().lines == [b"$ "]


def test_a_line_that_is_longer_than_may_be_is_cut_and_marked() -> None:
    columns = RowDecoder(1024).feed(row("a\n") + row("b" * 2000 + "\n") + row("c\n"))
    assert columns.lines == [b"a", b"b" * 1024, b"c"]
    assert columns.truncated == [1]


def test_half_a_surrogate_is_a_question_mark_and_nothing_else_suffers() -> None:
    broken = row("x\n").replace(b"x", rb"\ud800")
    lines = all_of(RowDecoder(MAX), row("a\n") + broken + row("b\n"))
    assert (lines[0], lines[-1]) == (b"a", b"b")


def test_bytes_that_are_no_utf_8_are_replaced_and_the_line_counts() -> None:
    """As for the Engine, whose positions are the same."""
    broken = row("x\n").replace(b"x", b"a\xffb")
    lines = RowDecoder(MAX)
    assert lines.feed(row("a\n") + broken + row("b\n")).lines == [b"a", "a\ufffdb".encode(), b"b"]
    assert not lines.damaged


@pytest.mark.fault(10)
@pytest.mark.parametrize("rubbish", [b"\0\0\0", b"\xff\xfe", b"{}", b'{"log":', b"null", b"[[[["])
def test_what_is_no_row_is_damage_between_the_lines_around_it(rubbish: bytes) -> None:
    lines = RowDecoder(MAX)
    assert lines.feed(row("a\n") + rubbish + b"\n" + row("b\n")).lines == [b"a"]
    assert lines.damaged
    assert lines.feed(b"").lines == [b"b"]
    assert not lines.damaged


def test_damage_in_a_row_is_told_once_and_costs_no_more_the_more_there_is() -> None:
    lines, times = RowDecoder(MAX), 200_000
    assert lines.feed(row("a\n") + b"x\n" * times + row("b\n")).lines == [b"a"]
    assert lines.damaged
    assert lines.feed(b"").lines == [b"b"]
    assert not lines.damaged


def test_a_row_behind_half_a_row_is_read() -> None:
    """As where the Engine was killed while it wrote."""
    lines = RowDecoder(MAX)
    assert lines.feed(row("a\n") + row("torn\n")[:20] + row("b\n") + row("c\n")).lines == [b"a"]
    assert lines.damaged
    assert lines.feed(b"").lines == [b"b", b"c"]


def test_bytes_without_a_newline_are_not_collected_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MOST_OF_ROW", 1000)
    lines = RowDecoder(MAX)
    lines.feed(row("a\n") + b"x" * 900)
    assert not lines.damaged
    lines.feed(b"x" * 200)
    assert lines.damaged
    assert not lines.torn
    lines.feed(b"x" * 5000)
    assert not lines.damaged
    assert lines.feed(b"x\n" + row("b\n")).lines == [b"b"]


def test_half_a_row_at_the_end_of_a_file_is_damage_in_front_of_the_next() -> None:
    lines = RowDecoder(MAX)
    lines.begin_file(1)
    lines.feed(row("a\n") + b'{"log":"ha')
    lines.begin_file(2)
    assert lines.damaged
    assert lines.feed(row("b\n")).lines == [b"b"]


# ------------------------------------------------------------------------------ properties

SIZES = st.sampled_from([0, 1, 5, 4096, 8192, 16384])
PIECES = st.lists(
    st.tuples(
        st.sampled_from(["stdout", "stderr"]),
        st.integers(1, 12),
        SIZES,
        st.sampled_from(["", "\n", "ü\n", '"\\\n', "\r\n"]),
    ),
    max_size=12,
)


def rows_and_frames(pieces: list[tuple[str, int, int, str]]) -> tuple[bytes, bytes]:
    rows, frames, seconds = b"", b"", 0
    for stream, later, size, end in pieces:
        seconds += later * 500_000_000 if end else 0
        text = "x" * size + end
        if not text:
            continue
        rows += row(text, stream, at(seconds))
        full = (at(seconds)[:-1] + ("" if "." in at(seconds) else ".")).ljust(29, "0") + "Z "
        payload = full.encode() + text.encode()
        kind = 1 if stream == "stdout" else 2
        frames += struct.pack(">BxxxI", kind, len(payload)) + payload
    return rows, frames


def fed(decoder: RowDecoder | FrameDecoder, data: bytes, cuts: list[int]) -> list[DecodedLines]:
    ends = sorted({min(cut, len(data)) for cut in cuts} | {len(data)})
    parts, start = [], 0
    for end in ends:
        parts.append(decoder.feed(data[start:end]))
        start = end
    return [*parts, decoder.flush()]


@settings(deadline=None)
@given(PIECES, st.lists(st.integers(0, 60_000), max_size=6), st.sampled_from([1024, MAX]))
def test_rows_give_the_lines_that_frames_do_in_whatever_parts_they_come(
    pieces: list[tuple[str, int, int, str]], cuts: list[int], max_line: int
) -> None:
    rows, frames = rows_and_frames(pieces)
    of_rows = fed(RowDecoder(max_line), rows, cuts)
    of_frames = fed(FrameDecoder(max_line, one_time=True), frames, [])
    short = together(of_frames)
    assert together(of_rows) == short


@settings(deadline=None)
@given(PIECES, st.lists(st.integers(0, 60_000), max_size=6))
def test_reading_on_from_any_place_gives_the_lines_behind_it(
    pieces: list[tuple[str, int, int, str]], cuts: list[int]
) -> None:
    data, _ = rows_and_frames(pieces)
    whole = together(fed(RowDecoder(MAX), data, []))
    lines, done, start = RowDecoder(MAX), 0, 0
    lines.begin_file(7)
    for cut in sorted(min(cut, len(data)) for cut in cuts):
        done += len(lines.feed(data[start:cut]).lines)
        start = cut
        safe = lines._safe
        assert safe.before == data[max(0, safe.offset - SEAL) : safe.offset]
        behind = together(fed(RowDecoder(MAX), data[safe.offset :], []))
        beyond = lines.completed - safe.completed
        assert behind[beyond:] == whole[done:]


@settings(deadline=None)
@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=4))
def test_any_bytes_are_read_to_their_end(data: bytes, cuts: list[int]) -> None:
    lines, start = RowDecoder(MAX), 0
    for cut in [*sorted(min(cut, len(data)) for cut in cuts), len(data)]:
        all_of(lines, data[start:cut])
        start = cut
    assert all_of(lines, b"\n" + row("after\n"))[-1:] == [b"after"]
