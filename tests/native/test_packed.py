"""Messages packed in C are those that Python packs."""

from __future__ import annotations

import gzip
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import native
from pipeline.encode.packed import Packer, tail
from tests.native.examples import examples

TAIL = tail(b',"container":"web-1"}')
ROOM = 100_000


def test_a_message_is_its_front_and_its_tail(c: native.Loops) -> None:
    packed = c.packed([b"one", b""], [TAIL, TAIL], ROOM)
    assert packed is not None
    assert [gzip.decompress(one) for one in packed] == [b"one" + TAIL.plain, TAIL.plain]


@pytest.mark.parametrize(("size", "fits"), [(65_535, True), (65_536, False)])
def test_a_front_is_one_block(c: native.Loops, size: int, fits: bool) -> None:
    (packed,) = c.packed([b"x" * size], [TAIL], ROOM) or []
    assert bool(packed) == fits


def test_what_is_too_long_is_empty(c: native.Loops) -> None:
    (whole,) = c.packed([b"one"], [TAIL], ROOM) or []
    assert c.packed([b"one"], [TAIL], len(whole)) == [whole]
    assert c.packed([b"one"], [TAIL], len(whole) - 1) == [b""]
    assert c.packed([b"one"], [TAIL], 0) == [b""]


@pytest.mark.parametrize(
    "odd",
    [
        ([b"one"], [], ROOM),
        ([], [TAIL], ROOM),
        ([bytearray(b"one")], [TAIL], ROOM),
        (["one"], [TAIL], ROOM),
        ([b"one"], [TAIL[:2]], ROOM),
        ([b"one"], [(*TAIL, b"")], ROOM),
        ([b"one"], [(TAIL.packed, TAIL.plain, TAIL.step[:-1])], ROOM),
        ([b"one"], [(TAIL.packed, TAIL.plain, TAIL.step + b"x")], ROOM),
        ([b"one"], [(TAIL.packed, None, TAIL.step)], ROOM),
        ([b"one"], [("packed", TAIL.plain, TAIL.step)], ROOM),
        ([b"one"], [list(TAIL)], ROOM),
        ([b"one"], [TAIL], -1),
        ([b"one"], [TAIL], 2**40),
    ],
)
def test_what_does_not_fit_is_given_back(c: native.Loops, odd: Any) -> None:
    assert c.packed(*odd) is None


@pytest.mark.parametrize("odd", [((b"one",), [TAIL], ROOM), ([b"one"], (TAIL,), ROOM)])
def test_what_are_no_lists_is_an_error(c: native.Loops, odd: Any) -> None:
    with pytest.raises(TypeError):
        c.packed(*odd)


FRONTS = st.lists(st.binary(max_size=300) | st.sampled_from([b"x" * 65_530, b"\0" * 65_536]))


@settings(max_examples=examples(300), deadline=None)
@given(FRONTS, st.lists(st.binary(max_size=200), min_size=1, max_size=3), st.integers(0, 70_000))
def test_any_messages_are_packed_the_same_either_way(
    c: native.Loops, fronts: list[bytes], ends: list[bytes], longest: int
) -> None:
    known = list(map(tail, ends))
    tails = [known[index % len(known)] for index in range(len(fronts))]
    found = []
    before = native.loops
    try:
        for native.loops in (c, None):
            found.append(list(Packer("gzip").pack(fronts, tails, longest)))
    finally:
        native.loops = before
    assert found[0] == found[1]
    plain = [front + end.plain for front, end in zip(fronts, tails, strict=True)]
    assert list(map(gzip.decompress, found[0])) == plain


def test_nothing_is_kept_of_what_was_packed(c: native.Loops) -> None:
    def write() -> int:
        for _ in range(200):
            c.packed([b"one", b"x" * 500], [TAIL, TAIL], ROOM)
            c.packed([b"one", b"x" * 500], [TAIL, TAIL], 200)
            c.packed([b"one", b"two"], [TAIL], ROOM)
        return sys.getallocatedblocks()

    write()
    first = write()
    assert max(write() - first, write() - first) < 100
