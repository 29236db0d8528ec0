"""Objects in a stream that is cut anywhere."""

from __future__ import annotations

import tracemalloc
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.forward.framing import PIECE, Framer, ProtocolError

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(st.lists(VALUES, max_size=10), st.lists(st.integers(1, 50), min_size=1))
def test_objects_are_the_same_wherever_the_stream_is_cut(
    values: list[Any], cuts: list[int]
) -> None:
    stream = b"".join(map(msgpack.packb, values))
    framer, found, at, turn = Framer(2**20), list[Any](), 0, 0
    while at < len(stream):
        step = cuts[turn % len(cuts)]
        whole, ends = framer.feed(stream[at : at + step])
        starts = [0, *ends]
        for start, end in zip(starts, ends, strict=False):
            found.append(msgpack.unpackb(whole[start:end]))
        assert (ends[-1] if ends else 0) == len(whole)
        at, turn = at + step, turn + 1
    assert found == values
    assert framer.pending == 0


@pytest.mark.fault(124)
def test_the_memory_of_a_large_object_is_given_back() -> None:
    framer, packed = Framer(2**24), msgpack.packb(b"x" * 2**23)
    tracemalloc.start(1)
    try:
        before, _ = tracemalloc.get_traced_memory()
        for start in range(0, len(packed), PIECE):
            whole, _ = framer.feed(packed[start : start + PIECE])
        assert whole == packed
        whole, ends = framer.feed(b"\xc0\x01")
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (whole, ends) == (b"\xc0\x01", [1, 2])
    assert after - before < 2**20


def test_a_length_that_nothing_follows_costs_nothing() -> None:
    framer = Framer(2**20)
    for head in (b"\xdd", b"\xdb", b"\xc6", b"\xdf"):
        framer = Framer(2**20)
        assert framer.feed(head + b"\xff" * 4 + b"x") == (b"", [])
        assert framer.pending == 6


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\xc1", "malformed"),
        (b"\x91" * 2000, "too_deep"),
        (b"\xdb\xff\xff\xff\xff" + b"x" * 2**17, "too_large"),
    ],
)
def test_what_cannot_be_read_is_told_by_its_kind(data: bytes, kind: str) -> None:
    with pytest.raises(ProtocolError) as raised:
        Framer(2**16).feed(data)
    assert raised.value.kind == kind
