"""What a stage keeps is the same in C as in Python."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import native
from pipeline.model.batch import Batch
from pipeline.model.records import MISSING, Records, Shape
from pipeline.testing.builders import batch

KEEP = [True, False, True]


def test_of_each_kind_of_column_the_kept_cells_are_given(c: native.Loops) -> None:
    columns = ([b"a", b"b", b"c"], range(5, 8), b"\1\2\3", None, [{}, {"a": 1}, {}])
    assert c.select(columns, KEEP) == ([b"a", b"c"], [5, 7], b"\1\3", None, [{}, {}])
    assert c.select(columns, [False] * 3) == ([], [], b"", None, [])
    assert c.select((), KEEP) == ()
    assert c.select(([],), []) == ([],)


@pytest.mark.parametrize(
    ("columns", "keep"),
    [
        (([b"a"],), [1]),
        (([b"a"],), [None]),
        (([b"a"],), [MISSING]),
        (([b"a"],), (True,)),
        (([b"a"],), [True, True]),
        (([b"a", b"b"],), [True]),
        ((b"ab",), [True]),
        ((b"",), [True]),
        ((range(2),), [True]),
        ((range(1 << 70),), [True]),
        (((1,),), [True]),
        (("a",), [True]),
        ((bytearray(b"a"),), [True]),
        (([b"a"], {}), [True]),
    ],
)
def test_anything_else_is_given_back(c: native.Loops, columns: Any, keep: Any) -> None:
    assert c.select(columns, keep) is None


KEPT = st.sampled_from([True, False, True, False, 1, 0, MISSING])


@given(st.lists(KEPT, max_size=9), st.booleans(), st.sampled_from(["", "fields", "records"]))
def test_a_batch_keeps_the_same_either_way(
    c: native.Loops, keep: list[Any], parts: bool, parsed: str
) -> None:
    one = batch(*(b"%d" % number for number in range(len(keep))))
    if parts:
        one = one.replace(parts=[number % 3 for number in range(len(keep))])
    if parsed == "fields":
        one = one.replace(fields=[{"a": number} for number in range(len(keep))])
    elif parsed == "records":
        shape = Shape(("a",))
        one = one.replace(parsed=Records(shape, (shape.of({"a": n}) for n in range(len(keep)))))
    found, before = [], native.loops
    try:
        for native.loops in (c, None):
            found.append(cells(one.select(keep)))
    finally:
        native.loops = before
    assert found[0] == found[1]


def cells(one: Batch | None) -> Any:
    if one is None:
        return None
    columns = one.lines, one.times, one.streams, list(one.sequences), one.parts, one.fields
    return (*columns, type(one.parsed))


def test_nothing_is_kept_of_what_was_looked_at(c: native.Loops) -> None:
    columns = ([b"%d" % number for number in range(100)], range(300, 400), b"x" * 100)
    keep = [number % 3 == 0 for number in range(100)]

    def look() -> int:
        for _ in range(200):
            c.select(columns, keep)
            c.select((*columns, range(5)), keep)
        return sys.getallocatedblocks()

    look()
    first = look()
    assert max(look() - first, look() - first) < 100
