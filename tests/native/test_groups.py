"""Lines that belong together are joined in C as in Python."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import native
from pipeline.stages import join
from tests.native.examples import examples

LINES = st.lists(st.tuples(st.binary(max_size=20), st.integers(0, 1)), max_size=20)


@settings(max_examples=examples(2000))
@given(LINES, st.data())
def test_lines_are_joined_to_the_one_before(
    c: native.Loops, lines: list[tuple[bytes, int]], data: st.DataObject
) -> None:
    texts, belongs = [text for text, _ in lines], bytes([one for _, one in lines])
    end = data.draw(st.integers(0, len(lines)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(native, "loops", None)
        told = join._groups(texts, belongs, end)
    assert c.groups(texts, belongs, end) == told


def test_a_line_by_itself_is_the_same_object(c: native.Loops) -> None:
    lines = [b"before", b"one", b"two", b"", b"three"]
    found, starts = c.groups(lines, b"\1\0\0\1\0", 5)
    assert (found, starts) == ([b"one", b"two\n", b"three"], [1, 2, 4])
    assert found[0] is lines[1]


@pytest.mark.parametrize(
    "odd",
    [
        ([b"a"], b"", 0), ([b"a"], b"\0\0", 1), ([b"a"], b"\0", 2), ([b"a"], b"\0", -1),
        (["a"], b"\0", 1), ((b"a",), b"\0", 1), ([b"a"], [0], 1),
    ],
)  # fmt: skip
def test_what_is_something_else_is_an_error(c: native.Loops, odd: tuple[object, ...]) -> None:
    with pytest.raises((TypeError, ValueError)):
        c.groups(*odd)  # type: ignore[arg-type]
