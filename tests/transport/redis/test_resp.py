"""RESP 2: commands out of bytes, and answers cut anywhere."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.transport.redis.resp import (
    LONGEST_TEXT,
    Error,
    ProtocolError,
    Replies,
    command,
    pairs,
)

SAID = (
    b"+OK\r\n$3\r\n1-0\r\n$4\r\n1-10\r\n-OOM no memory\r\n:-7\r\n$-1\r\n*-1\r\n$0\r\n\r\n"
    b"$9\r\n1-0\r\n2-0\n\r\n*3\r\n$1\r\na\r\n*1\r\n:1\r\n+x\r\n$3\r\n2-0\r\n"
)
MEANT = [
    b"OK", b"1-0", b"1-10", Error("OOM no memory"), -7, None, None, b"", b"1-0\r\n2-0\n",
    [b"a", [1], b"x"], b"2-0",
]  # fmt: skip


def test_a_command_is_a_list_of_texts() -> None:
    assert command(b"SET", b"", b"a\r\nb") == b"*3\r\n$3\r\nSET\r\n$0\r\n\r\n$4\r\na\r\nb\r\n"


def test_all_kinds_of_answers_are_understood() -> None:
    assert Replies().feed(SAID) == MEANT


@given(st.lists(st.integers(0, len(SAID)), max_size=20))
def test_they_may_be_cut_anywhere(cuts: list[int]) -> None:
    replies, found = Replies(), []
    edges = [0, *sorted(cuts), len(SAID)]
    for start, end in pairwise(edges):
        found += replies.feed(SAID[start:end])
    assert found == MEANT


@given(st.binary(max_size=300))
def test_rubbish_is_an_error_or_waited_for_and_nothing_else(said: bytes) -> None:
    try:
        Replies().feed(said)
    except ProtocolError as error:
        assert str(error)


def test_an_answer_without_an_end_is_bounded() -> None:
    replies = Replies()
    item = b"$%d\r\n%b\r\n" % (LONGEST_TEXT, b"x" * LONGEST_TEXT)
    with pytest.raises(ProtocolError, match="at once"):
        for part in (b"*10000\r\n", item, item, item):
            replies.feed(part)


@pytest.mark.fault(104)
@pytest.mark.parametrize(
    "said",
    [
        b"*10000\r\n" + b":123\r\n" * 10_000,
        (b"*1\r\n" * 7 + b"*100\r\n" + b"$0\r\n\r\n" * 100) * 100,
        b"$%d\r\n%b\r\n" % (LONGEST_TEXT, b"x" * LONGEST_TEXT),
        b"+%b\r\n" % (b"x" * 65_000),
    ],
    ids=["list", "nested", "text", "line"],
)
def test_small_pieces_of_an_answer_cost_no_more_than_their_bytes(said: bytes) -> None:
    replies, found, began = Replies(), [], time.thread_time()
    for start in range(0, len(said), 64):
        found += replies.feed(said[start : start + 64])
    assert time.thread_time() - began < 5
    assert found == Replies().feed(said)


def test_texts_that_look_like_ids_cost_no_more_than_their_bytes() -> None:
    said, began = b"$12\r\n1-0\r\n$3\r\n1-0\r\n" * 4_000, time.thread_time()
    assert Replies().feed(said) == [b"1-0\r\n$3\r\n1-0"] * 4_000
    assert time.thread_time() - began < 5


@pytest.mark.fault(104)
@pytest.mark.parametrize(
    ("said", "says"),
    [
        (b"*1\r\n" * 9, "a list of 1 items, 8 deep"),
        (b"*10001\r\n", "a list of 10001 items"),
        (b"$%d\r\n" % (LONGEST_TEXT + 1), "an answer of"),
        (b"+" + b"x" * 70_000, "a line that does not end"),
        (b"*2\r\n$1\r\nab\r\n", "longer than announced"),
    ],
)
def test_what_is_larger_than_anything_asked_for_is_an_error(said: bytes, says: str) -> None:
    for size in (len(said), 64):
        replies = Replies()
        with pytest.raises(ProtocolError, match=says):
            for start in range(0, len(said), size):
                replies.feed(said[start : start + size])


def test_an_error_has_a_code() -> None:
    assert Error("OOM command not allowed").code == "OOM"


def test_a_list_in_turns_is_names_and_values_and_anything_else_is_none() -> None:
    assert pairs([b"a", 1, b"b", None, 7, b"no"]) == {b"a": 1, b"b": None}
    assert pairs(b"text") == pairs(Error("ERR")) == pairs(None) == {}
