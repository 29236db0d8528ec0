"""Entries of Fluent forward written in C are those that Python writes."""

from __future__ import annotations

import sys
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import native
from pipeline.encode.forward import ForwardEncoder
from pipeline.testing.builders import batch
from pipeline.testing.hostile import hostile
from tests.native.columns import NUMBERS, TEXTS, TIMES, TIMES_THAT_ARE_NONE
from tests.native.examples import examples

TIME = b"2026-01-31T23:59:59.123456789Z"
REST = b"\xa1d\xa1s"
"""The last member of `event`."""
MORE = b"\xa1a\x01"
SOUND = ((REST,), b"\0", b"\0\0\0\3", [TIME], [b"line"], [7], [MORE])


def test_an_entry_has_its_fields_in_order(c: native.Loops) -> None:
    entry = c.forward(*SOUND)
    assert entry is not None
    time, record = msgpack.unpackb(entry)
    assert time.data == (1769903999).to_bytes(4, "big") + (123456789).to_bytes(4, "big")
    assert list(record.items()) == [
        ("message", "line"), ("event", {"sequence": 7, "d": "s"}), ("a", 1),
    ]  # fmt: skip
    bare = c.forward(*SOUND[:2], b"\0\0\0\1", [TIME], None, [7], None)
    assert bare is not None
    assert msgpack.unpackb(bare)[1] == {"event": {"sequence": 7, "d": "s"}}


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (0, ()),
        (0, ("rest",)),
        (1, b""),
        (1, b"\1"),
        (1, b"\0\0"),
        (2, b""),
        (2, b"\0\0\3"),
        (2, b"\0\0\0\3\0"),
        (2, b"\0\0\0\3" * 2),
        (3, []),
        (3, ["x"]),
        *((3, [time]) for time in TIMES_THAT_ARE_NONE),
        (4, []),
        (4, ["line"]),
        (4, (b"line",)),
        (5, []),
        (5, [-1]),
        (5, [1 << 63]),
        (5, ["7"]),
        (5, range(2)),
        (5, range(7, 6, -1)),
        (6, []),
        (6, [None]),
        (6, (MORE,)),
    ],
)
def test_what_does_not_fit_is_given_back(c: native.Loops, place: int, value: Any) -> None:
    arguments = (*SOUND[:place], value, *SOUND[place + 1 :])
    assert c.forward(*arguments) is None


def both(c: native.Loops, one: Any) -> tuple[bytes, bytes]:
    """What is written with C, and without."""
    found, before = [], native.loops
    try:
        for native.loops in (c, None):
            found.append(ForwardEncoder(host="h").encode(one))
    finally:
        native.loops = before
    return found[0], found[1]


@settings(max_examples=examples(400), deadline=None)
@given(
    st.lists(st.tuples(TEXTS, TIMES, st.integers(0, 2)), min_size=1, max_size=6),
    NUMBERS,
    st.sampled_from(["none", "same", "varying", "bare", "flags", "parts"]),
    st.booleans(),
)
def test_any_batch_is_the_same_bytes_either_way(
    c: native.Loops, entries: Any, first: int, kind: str, gaps: bool
) -> None:
    texts, times, streams = zip(*entries, strict=True)
    count, step = len(texts), 3 if gaps else 1
    numbers = range(first, first + step * count, step)
    one = batch(*texts).replace(
        times=list(times), streams=bytes(streams), sequences=list(numbers) if gaps else numbers
    )
    changes: dict[str, Any] = {
        "none": {},
        "same": {"fields": [{"a": 1, "level": "error"} for _ in texts]},
        "varying": {"fields": [{f"a{n}": "é%" for n in range(index)} for index in range(count)]},
        "bare": {"fields": [{"a": None} for _ in texts], "bare": True},
        "flags": {"flags": {first: "truncated"}},
        "parts": {"parts": [1] * count},
    }[kind]
    in_c, in_python = both(c, one.replace(**changes))
    assert in_c == in_python


@pytest.mark.parametrize("size", [0, 31, 32, 255, 256, 65_535, 65_536, 100_000])
def test_a_line_of_any_length_has_its_head(c: native.Loops, size: int) -> None:
    in_c, in_python = both(c, batch(b"\xff" * size, b"x"))
    assert in_c == in_python


def test_hostile_batches_are_the_same_either_way(c: native.Loops) -> None:
    for one in hostile():
        in_c, in_python = both(c, one)
        assert in_c == in_python


def test_more_kinds_than_a_byte_tells_apart_are_written(c: native.Loops) -> None:
    one = batch(*(["x"] * 300)).replace(flags={number: f"flag{number}" for number in range(300)})
    in_c, in_python = both(c, one)
    assert in_c == in_python
    assert in_c.count(b"flag") >= 299


def test_nothing_is_kept_of_what_was_written(c: native.Loops) -> None:
    def write() -> int:
        for _ in range(300):
            c.forward(*SOUND)
            c.forward(*SOUND[:4], None, range(300, 301), None)
            c.forward(*SOUND[:3], [b"no time"], *SOUND[4:])
        return sys.getallocatedblocks()

    write()
    first = write()
    assert max(write() - first, write() - first) < 100
