"""Ends of lines found in C are those that Python finds."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import native
from pipeline.encode.nats.documents import ends
from tests.native.examples import examples


@pytest.mark.parametrize(
    ("data", "found"), [(b"", []), (b"\n", [1]), (b"a\r\n\nb\x00c\n", [3, 4, 8])]
)
def test_each_line_ends_behind_its_line_feed(
    c: native.Loops, data: bytes, found: list[int]
) -> None:
    assert c.ends(data, len(found)) == ends(data) == found


@pytest.mark.parametrize(
    ("data", "count"),
    [
        (b"a\nb\n", 1),
        (b"a\nb\n", 3),
        (b"a\nb", 2),
        (b"a\nb", 1),
        (b"", 1),
        (b"a\n", -1),
        (b"", 2**62),
    ],
)
def test_more_or_fewer_lines_are_given_back(c: native.Loops, data: bytes, count: int) -> None:
    assert c.ends(data, count) is None


@settings(max_examples=examples(300), deadline=None)
@given(st.lists(st.binary(max_size=9).map(lambda line: line.replace(b"\n", b"") + b"\n")))
def test_any_lines_end_where_they_do(c: native.Loops, lines: list[bytes]) -> None:
    data = b"".join(lines)
    assert c.ends(data, len(lines)) == ends(data)
