"""How lines begin is told in C as in Python."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import native
from pipeline.stages._traces import openings
from tests.native.examples import examples

TABLE = bytes([byte in b" \t.C\xff" for byte in range(256)])
LINES = st.lists(
    st.lists(st.sampled_from([b"\tat ", b"\tat", b" ", b"x", b"\v", b"\x85", b"C", b"\xff", b"\0"]))
    .map(b"".join)
    | st.binary(max_size=6)
)  # fmt: skip


@settings(max_examples=examples(2000))
@given(LINES, st.sampled_from([b"", b"\tat ", b"x", b"\0"]))
def test_each_line_is_told(c: native.Loops, lines: list[bytes], text: bytes) -> None:
    assert c.openings(lines, TABLE, text) == openings(lines, TABLE, text)


def test_every_first_byte_and_every_byte_behind_the_text_is_told(c: native.Loops) -> None:
    each = [bytes([byte]) for byte in range(256)]
    assert c.openings(each, TABLE, b"") == TABLE
    behind = c.openings([b"\tat " + byte for byte in each], TABLE, b"\tat ")
    assert behind == bytes([1 if byte.isspace() else 2 for byte in each])


@pytest.mark.parametrize(
    "odd", [([b"a"], TABLE[1:], b""), (["a"], TABLE, b""), ((b"a",), TABLE, b""), ([], TABLE, "")]
)
def test_what_is_something_else_is_an_error(c: native.Loops, odd: tuple[object, ...]) -> None:
    with pytest.raises((TypeError, ValueError)):
        c.openings(*odd)  # type: ignore[arg-type]
