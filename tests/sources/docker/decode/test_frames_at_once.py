"""All frames at once give what one after another gives, or nothing."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import native
from pipeline.sources.docker.decode.decoded import DecodedLines
from pipeline.sources.docker.decode.frames import SINGLY, FrameDecoder, FrameError, whole_lines
from tests.suite.examples import examples

TIME = b"2026-01-31T23:59:59.000000001Z"


def frame(stream: int, payload: bytes) -> bytes:
    return struct.pack(">BxxxI", stream, len(payload)) + payload


def line(text: bytes, stream: int = 1) -> bytes:
    return frame(stream, TIME + b" " + text + b"\n")


def test_lines_of_one_stream_are_taken_at_once() -> None:
    run = whole_lines(line(b"first", 2) + line(b"", 2) + line(b"\x02\0\0\0", 2))
    assert run == ([b"first", b"", b"\x02\0\0\0"], [TIME] * 3, 2, b"")


@pytest.mark.parametrize("cut", range(1, len(line(b"second"))))
def test_what_is_not_complete_is_left_for_the_next_time(cut: int) -> None:
    second = line(b"second")
    run = whole_lines(line(b"first") + second[:cut])
    if second[:cut].endswith(b"\n") or cut < 4:
        assert run is None  # the header itself has a line feed in it, or is not all there
    else:
        assert run == ([b"first"], [TIME], 1, second[:cut])


@pytest.mark.parametrize(
    "odd",
    [
        line(b"the other stream", 2),
        frame(3, b"Error grabbing logs: EOF\n"),
        frame(1, TIME + b" a part of a line"),
        frame(1, TIME + b" two\n\x01\0\0\0lines\n"),
        frame(1, TIME + b"-no space\n"),
        frame(1, b"2026-01-31T23:59:59Z whole seconds, and more text\n"),
        frame(1, b"2026-01-31T23:59:59Z 12:34:56Z is text\n"),
        frame(1, b"no time\n"),
        frame(1, b""),
        line(b"x" * 20_000),
        b"\1\0\0\0\x7f\xff\xff\xff out of step",
    ],
)
def test_anything_else_is_not_taken(odd: bytes) -> None:
    for data in (odd + line(b"x"), line(b"x") + odd, line(b"x") + odd + line(b"x")):
        assert whole_lines(data) is None


PAYLOADS = st.one_of(
    st.binary(max_size=40).map(lambda text: TIME + b" " + text + b"\n"),
    st.sampled_from([1, 2, 10, 0x0A0A, 256]).map(lambda size: TIME + b" " + b"x" * size + b"\n"),
    st.sampled_from([b"\n\x01\0\0\0", b"\n\x02\0\0\0", b"\n"]).map(
        lambda text: TIME + b" " + text + b"\n"
    ),
    st.binary(max_size=40),
)


@settings(max_examples=examples(500))
@given(
    st.lists(st.tuples(st.sampled_from([1, 1, 1, 1, 2, 3]), PAYLOADS), max_size=12),
    st.integers(0, 60),
)
def test_it_gives_what_one_after_another_gives(
    frames: list[tuple[int, bytes]], missing: int
) -> None:
    data = b"".join(frame(*each) for each in frames)
    data = data[: max(0, len(data) - missing)]
    if (run := whole_lines(data)) is not None:
        decoder = FrameDecoder(1 << 20)
        columns = decoder._one_by_one(data, 0, DecodedLines())
        assert run.lines == columns.lines
        assert run.times == columns.times
        assert bytes([run.stream]) * len(run.lines) == bytes(columns.streams)
        assert run.rest == decoder._rest
        assert not columns.open


def test_where_streams_mix_they_are_tried_together_again_after_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(native, "loops", None)
    decoder = FrameDecoder(1 << 20)
    assert decoder.feed(line(b"a") + line(b"b", 2)).lines == [b"a", b"b"]
    for _ in range(SINGLY):
        assert decoder.feed(line(b"c")).lines == [b"c"]
    assert decoder._singly == 0
    assert decoder.feed(line(b"d")).lines == [b"d"]
    assert decoder._singly == 0
    assert decoder.completed == SINGLY + 3


def test_a_size_beyond_all_sense_is_an_error() -> None:
    decoder = FrameDecoder(1 << 20)
    with pytest.raises(FrameError):
        decoder.feed(line(b"x") + b"\1\0\0\0\x7f\xff\xff\xff2026")
