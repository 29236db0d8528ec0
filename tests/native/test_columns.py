"""What is asked of whole columns is answered the same in C and in Python."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import native


@given(st.lists(st.binary(max_size=20), max_size=20))
def test_bytes_are_counted(c: native.Loops, items: list[bytes]) -> None:
    assert c.total(items) == sum(map(len, items))


SINGLE = [b"a", b" a", b"\ta\r", b"\x1c", b"\x1f", b"\0", b"\x85", b"\xa0", b"\xe2\x80\xa8"]


@given(st.lists(st.sampled_from(SINGLE) | st.binary(min_size=1, max_size=3), max_size=9))
def test_lines_are_single_where_all_are(c: native.Loops, lines: list[bytes]) -> None:
    blank = any(not line.strip() for line in lines)
    assert c.single(lines) == (not blank and b"\n" not in b"".join(lines))
    assert c.single(lines) == _in_python(lines)


@pytest.mark.parametrize("odd", [b"", b" ", b"\t\r\x0b\x0c", b"a\nb", b"a\n", b"\na", b"\n"])
def test_a_blank_line_or_several_in_one_are_not_single(c: native.Loops, odd: bytes) -> None:
    for lines in [odd], [b"a", odd], [odd, b"a"]:
        assert not c.single(lines)
        assert not _in_python(lines)


def _in_python(lines: list[bytes]) -> bool:
    before, native.loops = native.loops, None
    try:
        return native.single(lines)
    finally:
        native.loops = before


TIMES = st.sampled_from(
    [b"", b"\0", b"2026", b"2026-01", b"2026-02", b"2026-01\0", b"\xff", b"\x7f"]
)


@given(st.lists(TIMES | st.binary(max_size=3), min_size=1, max_size=20))
def test_the_newest_is_the_first_of_the_greatest(c: native.Loops, times: list[bytes]) -> None:
    assert c.newest(times) == times.index(max(times))


@pytest.mark.parametrize("odd", [[], ["text"], [b"a", None], (b"a",), b"a", None])
def test_what_is_no_column_is_an_error(c: native.Loops, odd: object) -> None:
    with pytest.raises(TypeError):
        c.newest(odd)  # type: ignore[arg-type]
    if odd != []:
        for ask in c.total, c.single:
            with pytest.raises(TypeError):
                ask(odd)  # type: ignore[arg-type]


def test_either_loops_are_asked_by_one_name(monkeypatch: pytest.MonkeyPatch) -> None:
    for loops in (native.loops, None):
        monkeypatch.setattr(native, "loops", loops)
        assert native.total([b"ab", b"c"]) == 3
        assert native.newest([b"a", b"c", b"b", b"c"]) == 1
