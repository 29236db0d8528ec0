"""Frames read in C are those that Python reads one by one, up to the first odd one."""

from __future__ import annotations

import itertools
import struct
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import native
from pipeline.sources.docker.decode.frames import FrameDecoder, FrameError
from tests.native.examples import examples

TIME = b"2026-01-31T23:59:59.000000001Z"


def frame(stream: int, payload: bytes, size: int | None = None) -> bytes:
    return struct.pack(">BxxxI", stream, len(payload) if size is None else size) + payload


def line(text: bytes, stream: int = 1) -> bytes:
    return frame(stream, TIME + b" " + text + b"\n")


def test_lines_of_both_streams_are_taken(c: native.Loops) -> None:
    data = line(b"one") + line(b"", 2) + line(b"a\nb\0\xff")
    lines = [b"one", b"", b"a\nb\0\xff"]
    assert c.frames(data, 7) == (lines, [TIME] * 3, bytearray([1, 2, 1]), len(data))


ODD = [
    frame(3, b"Error grabbing logs: EOF\n"),
    frame(0, TIME + b" of stdin\n"),
    frame(4, TIME + b" of nothing\n"),
    frame(1, TIME + b" a part of a line"),
    frame(1, TIME + b"-no space\n"),
    frame(1, TIME[:-1] + b"X no time\n"),
    frame(1, b"2026-01-31T23:59:59Z whole seconds, and more text\n"),
    frame(1, b"2026-01-31T23:59:59Z 12:34:56Z is text\n"),
    frame(1, TIME + b"\n"),
    frame(1, b"\n"),
    frame(1, b""),
    line(b"over the limit of twenty"),
    frame(1, b"", 0xFFFFFFFF),
    frame(1, b"", 0x7FFFFFFF),
    frame(1, b"", 0x80000000),
    frame(1, TIME + b" x\n", 34),
    frame(2, b"", 33)[:5],
    b"\1",
]


@pytest.mark.parametrize("odd", ODD)
def test_it_stops_at_whatever_is_no_whole_line(c: native.Loops, odd: bytes) -> None:
    assert c.frames(odd, 20) == ([], [], bytearray(), 0)
    begin = line(b"x")
    assert c.frames(begin + odd, 20)[3] == len(begin)


def test_every_beginning_of_a_stream_is_read_up_to_its_last_whole_line(c: native.Loops) -> None:
    parts = [line(b"one"), line(b"", 2), line(b"x" * 300), line(b"last")]
    ends, data = list(itertools.accumulate(map(len, parts), initial=0)), b"".join(parts)
    for cut in range(len(data) + 1):
        lines, times, streams, end = c.frames(data[:cut], 1000)
        assert end == max(each for each in ends if each <= cut)
        assert len(lines) == len(times) == len(streams) == ends.index(end)


FRAMES = st.one_of(
    st.binary(max_size=40).map(line),
    st.binary(max_size=40).map(lambda text: line(text, 2)),
    st.sampled_from([1, 223, 224, 0x0A0A, 16384]).map(lambda size: line(b"x" * size)),
    st.sampled_from(ODD),
    st.builds(frame, st.integers(0, 4), st.binary(max_size=60)),
    st.builds(frame, st.just(1), st.binary(max_size=40), st.integers(0, 0xFFFFFFFF)),
    st.binary(max_size=12),
)


@settings(max_examples=examples(500), deadline=None)
@given(
    st.lists(FRAMES, max_size=8).map(b"".join),
    st.lists(st.integers(0, 1 << 16), max_size=4),
    st.sampled_from([3, 300, 1 << 20]),
)
def test_a_stream_in_any_pieces_gives_the_same_either_way(
    c: native.Loops, data: bytes, cuts: list[int], longest: int
) -> None:
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    pieces = [data[start:end] for start, end in itertools.pairwise(edges)]
    assert steps(c, pieces, longest) == steps(None, pieces, longest)


def steps(loops: native.Loops | None, pieces: list[bytes], longest: int) -> list[object]:
    """All that can be seen of a decoder after each piece, up to an error."""
    before, native.loops = native.loops, loops
    decoder = FrameDecoder(longest)
    found: list[object] = []
    try:
        found += [(decoder.feed(piece), decoder._rest, decoder.errors()) for piece in pieces]
        return [*found, decoder.flush(), decoder.completed]
    except FrameError as error:
        return [*found, str(error)]
    finally:
        native.loops = before


def test_nothing_is_kept_of_what_was_read(c: native.Loops) -> None:
    streams = [line(b"x" * 50) * 20, *(line(b"one") * 3 + odd for odd in ODD)]

    def read() -> int:
        for stream in streams * 50:
            c.frames(stream, 60)
        return sys.getallocatedblocks()

    read()
    first = read()
    assert max(read() - first, read() - first) < 100
