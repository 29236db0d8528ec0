"""Syslog messages in a stream that is cut anywhere, in both framings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.parsing.syslog_frames import SyslogFrameError, SyslogFrames

LONGEST = 100


def fed(frames: SyslogFrames, stream: bytes, cuts: list[int]) -> list[bytes]:
    found, at, turn = list[bytes](), 0, 0
    while at < len(stream):
        step = cuts[turn % len(cuts)]
        found += frames.feed(stream[at : at + step])[0]
        at, turn = at + step, turn + 1
    return found


CUTS = st.lists(st.integers(1, 60), min_size=1)


@given(st.lists(st.binary(max_size=LONGEST)), CUTS)
def test_counted_messages_are_the_same_wherever_the_stream_is_cut(
    messages: list[bytes], cuts: list[int]
) -> None:
    stream = b"".join(b"%d %b" % (len(one), one) for one in messages)
    frames = SyslogFrames(LONGEST)
    assert fed(frames, stream, cuts) == messages
    assert frames.pending == 0


@given(st.lists(st.binary(max_size=LONGEST).filter(lambda one: b"\n" not in one), min_size=1), CUTS)
def test_lines_are_the_same_wherever_the_stream_is_cut(
    messages: list[bytes], cuts: list[int]
) -> None:
    messages = [b"<" + one[1:] for one in messages]
    frames = SyslogFrames(LONGEST)
    assert fed(frames, b"\n".join(messages) + b"\n", cuts) == messages
    assert frames.end() == []


@given(CUTS, st.integers(1, 500))
def test_a_line_that_is_too_long_is_cut_and_the_next_is_whole(cuts: list[int], more: int) -> None:
    frames = SyslogFrames(LONGEST)
    stream = b"<first\n<" + b"x" * (LONGEST + more) + b"\n<last\n"
    assert fed(frames, stream, cuts) == [b"<first", b"<" + b"x" * (LONGEST - 1), b"<last"]


def test_it_tells_which_were_cut() -> None:
    long = b"<" + b"x" * 200
    assert SyslogFrames(LONGEST).feed(b"<a\n" + long + b"\n<b\n" + long)[1] == [1, 3]


def test_a_line_may_have_no_end_and_a_counted_message_may_not() -> None:
    lines, counted = SyslogFrames(LONGEST), SyslogFrames(LONGEST)
    assert lines.feed(b"<a\n<b") == ([b"<a"], [])
    assert lines.end() == [b"<b"]
    assert counted.feed(b"2 <a3 <b") == ([b"<a"], [])
    assert counted.end() == []


@pytest.mark.parametrize(
    ("stream", "kind"),
    [
        (b"101 x", "too_large"),
        (b"4294967296 x", "too_large"),
        (b"99999999999 x", "malformed"),
        (b"9" * 20, "malformed"),
        (b"1x <a", "malformed"),
        (b"2 <a<b\n", "malformed"),
        (b"2 <a 2 <b", "malformed"),
    ],
)
def test_what_is_no_length_ends_the_stream(stream: bytes, kind: str) -> None:
    with pytest.raises(SyslogFrameError) as raised:
        SyslogFrames(LONGEST).feed(stream)
    assert raised.value.kind == kind


def test_a_byte_at_a_time_costs_no_more_than_the_bytes() -> None:
    """Sixteen megabytes would take hours if each byte looked at all before it."""
    frames, size = SyslogFrames(2**24), 2**20
    frames.feed(b"%d " % size)
    for _ in range(2**14):
        assert frames.feed(b"x" * 63) == ([], [])
    assert frames.feed(b"x" * (size - 63 * 2**14))[0] == [b"x" * size]


@pytest.mark.parametrize("bad", [b"999 x", b"-1 x", b"99999999999 x"])
def test_what_came_whole_before_a_bad_length_is_told(bad: bytes) -> None:
    with pytest.raises(SyslogFrameError) as raised:
        SyslogFrames(LONGEST).feed(b"3 one3 two" + bad)
    assert raised.value.before == [b"one", b"two"]
