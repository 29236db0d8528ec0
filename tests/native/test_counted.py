"""Rows written in C are those that Python writes."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import native
from pipeline.encode.redis import counted
from tests.native.examples import examples


def test_cells_stand_between_literals_and_texts_behind_their_length(c: native.Loops) -> None:
    columns = [b"a%", b""], range(9, 11), [7, 8], b"x\nyy\n"
    written = c.counted((b"%<", b",", b"=", b"=", b">"), columns, b"\1\1\0\1", 2)
    assert written == (
        b"%<$2\r\na%\r\n,$1\r\n9\r\n=7=$1\r\nx\r\n>%<$0\r\n\r\n,$2\r\n10\r\n=8=$2\r\nyy\r\n>",
        [29, 58],
    )


@pytest.mark.parametrize("size", [0, 9, 10, 99, 100, 99_999, 100_000])
def test_a_length_has_as_many_digits_as_it_takes(c: native.Loops, size: int) -> None:
    text = b"x" * size
    expected = b"$%d\r\n%b\r\n" % (size, text)
    assert c.counted((b"", b""), ([text],), b"\1", 1) == (expected, [len(expected)])


def test_no_rows_are_nothing(c: native.Loops) -> None:
    assert c.counted((b"a", b"b"), ([],), b"\1", 0) == (b"", [])


@pytest.mark.parametrize(
    "odd",
    [
        ((b"", b""), ([b"one"],), b"\1", 2),
        ((b"", b""), ([b"one"],), b"\1", 0),
        ((b"", b""), ([b"one"],), b"\1", -1),
        ((b"", b""), ([b"one"],), b"\1", sys.maxsize),
        ((b"", b""), ([b"one"],), b"\1\1", 1),
        ((b"", b""), ([b"one"],), b"", 1),
        ((b"",), ([b"one"],), b"\1", 1),
        ((b"", "x"), ([b"one"],), b"\1", 1),
        ((b"", b""), (["one"],), b"\1", 1),
        ((b"", b""), ([None],), b"\1", 1),
        ((b"", b""), ([bytearray(b"one")],), b"\1", 1),
        ((b"", b""), ([-1],), b"\1", 1),
        ((b"", b""), ([2**63],), b"\1", 1),
        ((b"", b""), ([True],), b"\1", 1),
        ((b"", b""), (range(2),), b"\1", 1),
        ((b"", b""), (range(-1, 0),), b"\1", 1),
        ((b"", b""), (range(2**70),), b"\1", 1),
        ((b"", b""), ((b"one",),), b"\1", 1),
        ((b"", b""), (b"one",), b"\1", 1),
        ((b"", b""), (b"",), b"\1", 1),
        ((b"", b""), (b"one\ntwo\n",), b"\1", 1),
        ((b"", b""), (b"one\nt",), b"\1", 1),
        ((b"",) * 10, ([b"one"],) * 9, b"\1" * 9, 1),
        ((b"",), (), b"", 1),
    ],
)
def test_what_does_not_fit_is_given_back(c: native.Loops, odd: Any) -> None:
    assert c.counted(*odd) is None


@pytest.mark.parametrize("odd", [([b"", b""], ([],), b"\1", 0), ((b"", b""), [[]], b"\1", 0)])
def test_what_are_no_tuples_is_an_error(c: native.Loops, odd: Any) -> None:
    with pytest.raises(TypeError):
        c.counted(*odd)


CELLS = st.binary(max_size=30) | st.integers(0, 2**63 - 1)
COUNT = 3
COLUMN = (
    st.lists(CELLS, min_size=COUNT, max_size=COUNT)
    | st.integers(0, 10**12).map(lambda start: range(start, start + COUNT))
    | st.lists(st.binary(max_size=9), min_size=COUNT, max_size=COUNT).map(
        lambda cells: b"".join(cell.replace(b"\n", b"") + b"\n" for cell in cells)
    )
)


@settings(max_examples=examples(500), deadline=None)
@given(st.lists(st.tuples(st.binary(max_size=9), COLUMN, st.booleans()), min_size=1, max_size=8))
def test_any_columns_are_written_the_same_either_way(
    c: native.Loops, given: list[tuple[bytes, Any, bool]]
) -> None:
    literals = (*(literal for literal, _, _ in given), b"%d\r\n")
    columns, texts = tuple(column for _, column, _ in given), bytes(text for _, _, text in given)
    assert c.counted(literals, columns, texts, COUNT) == counted(literals, columns, texts)


def test_nothing_is_kept_of_what_was_written(c: native.Loops) -> None:
    def write() -> int:
        for _ in range(200):
            c.counted((b"", b"", b""), ([b"one", b"x" * 500], b"a\nb\n"), b"\1\0", 2)
            c.counted((b"", b"", b""), ([b"one", b"x" * 500], b"a\nb"), b"\1\0", 2)
            c.counted((b"", b""), ([b"one", -1],), b"\1", 2)
        return sys.getallocatedblocks()

    write()
    first = write()
    assert max(write() - first, write() - first) < 100
