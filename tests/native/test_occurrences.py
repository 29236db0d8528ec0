"""Bytes are counted in C as Python counts them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import native
from tests.native.examples import examples

LINES = st.lists(
    st.builds(bytes.__mul__, st.sampled_from([b"[", b"{x", b",", b"\0\xff"]), st.integers(0, 9000))
    | st.binary(max_size=80),
    max_size=5,
)


def counted(lines: list[bytes], wanted: bytes) -> int:
    return sum(line.count(each) for line in lines for each in wanted)


@settings(max_examples=examples(300))
@given(LINES, st.sampled_from([b"", b"[{", b",", b"\0\xff[x"]))
def test_each_is_counted(c: native.Loops, lines: list[bytes], wanted: bytes) -> None:
    assert c.occurrences(lines, wanted) == counted(lines, wanted)


@pytest.mark.parametrize("size", [1, 15, 16, 17, 16 * 255 - 1, 16 * 255, 16 * 255 + 17, 100_000])
def test_lines_of_nothing_else_are_counted_whole(c: native.Loops, size: int) -> None:
    assert c.occurrences([b"[" * size, b"," * size], b"[{") == size


def test_what_is_no_list_of_bytes_is_an_error(c: native.Loops) -> None:
    with pytest.raises(TypeError):
        c.occurrences(["["], b"[")  # type: ignore[list-item]
    with pytest.raises(ValueError, match="four"):
        c.occurrences([b"["], b"[{,;:")


def test_python_counts_them_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "loops", None)
    lines = [b'{"a":[1,[2,[3]]]}', b"[[[", b""]
    assert native.occurrences(lines, b"[{") == counted(lines, b"[{") == 7
