"""From bytes to lines, at every split of the stream."""

from __future__ import annotations

import itertools
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.model.timestamps import NO_TIME
from pipeline.sources.docker.decode.decoded import DecodedLines, OpenLine, concatenated
from pipeline.sources.docker.decode.frames import FrameDecoder, FrameError, TtyDecoder, new_decoder
from tests.suite.examples import examples

pytestmark = pytest.mark.usefixtures("either_loops")

T1 = b"2026-01-31T23:59:59.000000001Z"
T2 = b"2026-01-31T23:59:59.000000002Z"


def frame(stream: int, payload: bytes) -> bytes:
    return struct.pack(">BxxxI", stream, len(payload)) + payload


def line(stream: int, text: bytes, time: bytes = T1) -> bytes:
    return frame(stream, time + b" " + text + b"\n")


def decode(
    data: bytes, cuts: list[int] | None = None, *, max_line: int = 1 << 20, podman: bool = False
) -> DecodedLines:
    """Everything that the stream gives, fed in the pieces between `cuts`."""
    decoder = new_decoder(data[:1], max_line, podman=podman)
    edges = [0, *sorted(cuts or []), len(data)]
    parts = [decoder.feed(data[start:stop]) for start, stop in itertools.pairwise(edges)]
    whole = concatenated([*parts, decoder.flush()])
    assert whole.completed == len(whole.lines)
    return whole


LONG = b"x" * 16384


def stream(long: bytes) -> bytes:
    return b"".join(
        [
            line(1, b"first"),
            line(2, b"to stderr", T2),
            line(1, b""),
            frame(1, T1 + b" " + long),
            line(2, b"between the parts", T2),
            frame(1, T1 + b" " + long),
            line(1, b"end of the long one"),
            line(1, b"\x00\xff not text \xe2\x82"),
            line(1, b"y" * (0x0A0A - 32)),  # a length of two newlines
            frame(1, T2 + b" last words without newline"),
        ]
    )


STREAM = stream(LONG)
LINES = [
    b"first",
    b"to stderr",
    b"",
    b"between the parts",
    LONG + LONG + b"end of the long one",
    b"\x00\xff not text \xe2\x82",
    b"y" * (0x0A0A - 32),
    b"last words without newline",
]


@pytest.mark.fault(2, 4)
def test_a_line_in_parts_is_joined_per_stream_and_keeps_its_first_time() -> None:
    columns = decode(STREAM)
    assert columns.lines == LINES
    assert columns.times == [T1, T2, T1, T2, T1, T1, T1, T2]
    assert list(columns.streams) == [1, 2, 1, 2, 1, 1, 1, 1]


@pytest.mark.fault(1)
def test_one_byte_at_a_time_gives_the_same() -> None:
    small = stream(b"z" * 8192)
    assert decode(small, list(range(1, len(small)))) == decode(small)


@pytest.mark.fault(1)
def test_a_cut_inside_any_header_or_timestamp_changes_nothing() -> None:
    for cut in range(1, 130):
        assert decode(STREAM, [cut]).lines == LINES


@pytest.mark.fault(1)
@settings(max_examples=examples(200))
@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_any_split_gives_the_same(cuts: list[int]) -> None:
    assert decode(STREAM, cuts).lines == LINES


@settings(max_examples=examples(200))
@given(
    st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=60)), max_size=20),
    st.lists(st.integers(0, 3000), max_size=6),
)
def test_any_lines_come_out_as_they_went_in(
    entries: list[tuple[int, bytes]], cuts: list[int]
) -> None:
    entries = [(stream, text.replace(b"\n", b"")) for stream, text in entries]
    data = b"".join(line(stream, text) for stream, text in entries)
    if data:
        columns = decode(data, [min(cut, len(data)) for cut in cuts])
        assert columns.lines == [text for _, text in entries]
        assert list(columns.streams) == [stream for stream, _ in entries]


def test_what_the_daemon_says_of_itself_is_no_line() -> None:
    decoder = FrameDecoder(1 << 20)
    data = line(1, b"a") + frame(3, b"Error grabbing logs: invalid character\n") + line(1, b"b")
    assert decoder.feed(data).lines == [b"a", b"b"]
    assert decoder.errors() == [b"Error grabbing logs: invalid character"]
    assert decoder.errors() == []


@pytest.mark.fault(2)
def test_an_empty_frame_is_an_empty_line() -> None:
    assert decode(line(1, b"a") + frame(1, b"") + line(1, b"b")).lines[0] == b"a"


@pytest.mark.fault(2)
@pytest.mark.parametrize(
    "data",
    [struct.pack(">BxxxI", 1, 0xFFFFFFFF), struct.pack(">BxxxI", 1, 1 << 25), frame(9, b"x")],
    ids=["a frame of 4 GiB", "a frame of 32 MiB", "an unknown type"],
)
def test_a_stream_out_of_step_is_refused(data: bytes) -> None:
    with pytest.raises(FrameError):
        FrameDecoder(1 << 20).feed(data)


def test_a_line_without_end_stays_within_the_limit_and_is_marked() -> None:
    part = frame(1, T1 + b" " + LONG)
    columns = decode(part * 100 + line(1, b"end") + line(1, b"next"), max_line=20_000)
    assert [len(text) for text in columns.lines] == [20_000, 4]
    assert columns.truncated == [0]


def test_a_line_of_one_frame_stays_within_the_limit_too() -> None:
    data = line(1, b"a") + line(1, b"x" * 2000) + line(1, b"y" * 1024) + line(1, b"b")
    columns = decode(data, max_line=1024)
    assert [len(text) for text in columns.lines] == [1, 1024, 1024, 1]
    assert columns.truncated == [1]


def test_an_open_partial_says_when_it_began_and_how_many_lines_were_complete() -> None:
    decoder = FrameDecoder(1 << 20)
    decoded = decoder.feed(line(1, b"a") + frame(1, T1 + b" " + LONG) + line(2, b"b", T2))
    assert (list(decoded.open), decoded.completed) == ([OpenLine(T1, 1)], 2)
    decoded = decoder.feed(line(1, b"end"))
    assert (decoded.begun, list(decoded.open), decoded.completed) == ({0: 1}, [], 3)


@pytest.mark.fault(7)
@pytest.mark.parametrize(
    ("stamp", "form"),
    [
        (b"2026-01-31T23:59:59Z", b"2026-01-31T23:59:59.000000000Z"),
        (b"2026-01-31T23:59:59.5Z", b"2026-01-31T23:59:59.500000000Z"),
        (b"2026-02-01T01:59:59.123+02:00", b"2026-01-31T23:59:59.123000000Z"),
        (b"2026-02-01T01:59:59.1234+02:00", b"2026-01-31T23:59:59.123400000Z"),
        (b"0001-01-01T00:00:00Z", NO_TIME),
    ],
    ids=["whole seconds", "one digit", "an offset", "an offset and as long as others", "year 1"],
)
def test_every_way_of_writing_a_time_becomes_one(stamp: bytes, form: bytes) -> None:
    before = b"Z" * 40
    columns = decode(line(1, before) + frame(1, stamp + b" text\n"))
    assert (columns.lines, columns.times) == ([before, b"text"], [T1, form])


@pytest.mark.parametrize(
    ("stamp", "text"),
    [
        (b"2026-01-31T23:59:59Z", b"12:34:56Z GET /"),
        (b"2026-01-31T23:59:59Z", b"12:34:56Zulu"),
        (b"2026-01-31T23:59:59+00:00", b"JAZZ is a word"),
        (b"2026-01-31T23:59:59.123Z", b"WXYZ again"),
    ],
)
def test_a_text_that_looks_like_the_end_of_a_longer_time_is_kept_whole(
    stamp: bytes, text: bytes
) -> None:
    data = frame(1, stamp + b" " + text + b"\n") + line(1, b"next")
    decoded = decode(data)
    assert decoded.lines == [text, b"next"]
    assert decoded.times == [stamp[:19] + (b".123000000Z" if b"." in stamp else b".000000000Z"), T1]


def test_a_time_without_a_space_behind_it_is_text() -> None:
    columns = decode(frame(1, T1 + b"-and more\n"))
    assert (columns.lines, columns.times) == ([T1 + b"-and more"], [NO_TIME])


@pytest.mark.fault(7)
def test_a_line_without_a_time_is_kept_whole() -> None:
    columns = decode(frame(1, b"no time at all, yet a line of text\n"))
    assert columns.lines == [b"no time at all, yet a line of text"]
    assert columns.times == [NO_TIME]


TTY = (
    T1 + b" prompt\r\n"
    + T1 + b" " + LONG + T1 + b" " + LONG + T1 + b" end\r\n"
    + T2 + b" bare newline\n"
    + T2 + b" last"
)  # fmt: skip


@pytest.mark.fault(6)
def test_a_tty_is_split_into_lines_and_its_parts_joined() -> None:
    assert isinstance(new_decoder(TTY[:1], 1), TtyDecoder)
    columns = decode(TTY)
    assert columns.lines == [b"prompt", LONG + LONG + b"end", b"bare newline", b"last"]
    assert columns.times == [T1, T1, T2, T2]
    assert set(columns.streams) == {1}


@settings(max_examples=examples(100))
@given(st.lists(st.integers(0, len(TTY)), max_size=12))
def test_any_split_of_a_tty_gives_the_same(cuts: list[int]) -> None:
    assert decode(TTY, cuts) == decode(TTY)


def test_a_tty_line_without_end_stays_within_the_limit() -> None:
    decoder = TtyDecoder(10_000)
    decoder.feed(T1 + b" ")
    for _ in range(100):
        assert decoder.feed(b"x" * 5000).lines == []
    assert decoder._partial is not None
    assert sum(map(len, decoder._partial.parts)) <= 10_000
    columns = decoder.feed(b"\r\n")
    assert [len(text) for text in columns.lines] == [10_000]
    assert columns.truncated == [0]


# ---------------------------------------------------------------------------------- Podman

P1, P2 = b"2026-01-31T23:59:59Z", b"2026-02-01T00:00:00Z"


def piece(text: bytes, time: bytes = P1) -> bytes:
    return frame(1, time + b" " + text)


def test_podman_cuts_a_line_at_any_byte_and_only_a_newline_ends_it() -> None:
    columns = decode(piece(b"lin") + piece(b"e 1\n") + piece(b"a") + piece(b"b", P2), podman=True)
    assert columns.lines == [b"line 1", b"ab"]
    assert decode(piece(b"lin") + piece(b"e 1\n")).lines == [b"lin", b"e 1"]  # of Docker
    assert columns.times == [b"2026-01-31T23:59:59.000000000Z"] * 2


@pytest.mark.parametrize("zone", [b"Z", b"+05:30", b"-03:00"])
def test_podmans_times_inside_a_line_of_a_terminal_are_taken_out(zone: bytes) -> None:
    """Those of its second and of the next; one at the line's beginning is the writer's own."""
    first, next_ = P1[:-1] + zone, P2[:-1] + zone
    data = (
        first + b" line 1" + first + b" \r\n"
        + first + b" li" + first + b" ne" + next_ + b"  2\r\n"
        + first + b" " + first + b" INFO\r\n"
        + first + b" line 3\r" + first + b" \n"
    )  # fmt: skip
    columns = decode(data, podman=True)
    assert columns.lines == [b"line 1", b"line 2", first + b" INFO", b"line 3"]


def test_a_piece_of_another_time_begins_another_line_where_a_line_has_one_time() -> None:
    """As when a container is killed in the middle of a line, and started again: the piece that was
    written last may have any size."""
    early, late = b"2026-01-31T23:59:01.000000001Z", b"2026-01-31T23:59:02.000000001Z"
    data = b"".join(
        frame(1, time + b" " + text)
        for time, text in (
            (early, b"x" * 16384),
            (early, b"x" * 8192),
            (late, b"y" * 16384),
            (late, b"y\n"),
        )
    )
    columns = FrameDecoder(1 << 20, one_time=True).feed(data)
    assert columns.lines == [b"x" * 24576, b"y" * 16385]
    assert columns.times == [early, late]
    assert FrameDecoder(1 << 20).feed(data).lines == [b"x" * 24576 + b"y" * 16385]
