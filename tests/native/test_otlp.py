"""Log records written in C are those that Python writes."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import native
from pipeline.encode.otlp.requests import Requests
from pipeline.encode.otlp.resource import Resources
from pipeline.model.records import Records, Shape
from pipeline.testing.builders import batch
from tests.native.columns import NUMBERS, TEXTS, TIMES, TIMES_THAT_ARE_NONE
from tests.native.examples import examples

TIME = b"2026-01-31T23:59:59.123456789Z"
SOUND = ((b"s\x09",), b"\0", [TIME], b"name", [7], [b"line"], [b"more"])


def test_a_record_has_its_fields_in_order(c: native.Loops) -> None:
    record = b"s\x09" + (1769903999123456789).to_bytes(8, "little")
    record += b"\x32\x08name\x12\x02\x18\x07" + b"\x2a\x06\x0a\x04line" + b"more"
    assert c.otlp(*SOUND) == b"\x12" + bytes([len(record)]) + record


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (0, ()),
        (0, ("s",)),
        (1, b""),
        (1, b"\1"),
        (1, b"\0\0"),
        (2, []),
        (2, ["x"]),
        *((2, [time]) for time in TIMES_THAT_ARE_NONE),
        (3, b"x" * 101),
        (4, []),
        (4, [-1]),
        (4, [1 << 63]),
        (4, ["7"]),
        (4, range(2)),
        (4, range(7, 6, -1)),
        (4, b"7"),
        (5, []),
        (5, ["line"]),
        (5, (b"line",)),
        (6, []),
        (6, [None]),
        (6, (b"more",)),
    ],
)
def test_what_does_not_fit_is_given_back(c: native.Loops, place: int, value: Any) -> None:
    arguments = (*SOUND[:place], value, *SOUND[place + 1 :])
    assert c.otlp(*arguments) is None


@pytest.mark.parametrize("body", ["message", "fields"])
@settings(max_examples=examples(400), deadline=None)
@given(
    st.lists(st.tuples(TEXTS, TIMES, st.integers(0, 2)), min_size=1, max_size=6),
    NUMBERS,
    st.sampled_from(["none", "dictionaries", "records"]),
    st.booleans(),
    st.booleans(),
)
def test_any_batch_is_the_same_request_either_way(
    c: native.Loops, body: Any, entries: Any, first: int, parsed: str, bare: bool, gaps: bool
) -> None:
    texts, times, streams = zip(*entries, strict=True)
    count = len(texts)
    step = 3 if gaps else 1
    one = batch(*texts).replace(times=list(times), streams=bytes(streams), bare=bare)
    numbers = range(first, first + step * count, step)
    one = one.replace(sequences=list(numbers) if gaps else numbers)
    fields: Any = [{"level": "error", "a": 1}, {"a": "x"}, {}]
    fields = [dict(fields[index % 3]) for index in range(count)]
    if parsed == "dictionaries":
        one = one.replace(fields=fields)
    elif parsed == "records":
        shape = Shape(("level", "a"))
        one = one.replace(parsed=Records(shape, map(shape.of, fields)))
    other = batch("further", of=one.container, start=first + step * count)
    found, before = [], native.loops
    try:
        for native.loops in (c, None):
            found.append(Requests(Resources(), body, "1").logs([one, other], 1 << 60))
    finally:
        native.loops = before
    assert found[0] == found[1]


def test_nothing_is_kept_of_what_was_written(c: native.Loops) -> None:
    def write() -> int:
        for _ in range(300):
            c.otlp(*SOUND)
            c.otlp(*SOUND[:4], range(300, 301), *SOUND[5:])
            c.otlp(*SOUND[:2], [b"no time"], *SOUND[3:])
        return sys.getallocatedblocks()

    write()
    first = write()
    assert max(write() - first, write() - first) < 100
