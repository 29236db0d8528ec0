"""What is asked of whole columns is answered the same in C and in Python."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import native


@given(st.lists(st.binary(max_size=20), max_size=20))
def test_bytes_are_counted(c: native.Loops, items: list[bytes]) -> None:
    assert c.total(items) == sum(map(len, items))


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
        with pytest.raises(TypeError):
            c.total(odd)  # type: ignore[arg-type]


def test_either_loops_are_asked_by_one_name(monkeypatch: pytest.MonkeyPatch) -> None:
    for loops in (native.loops, None):
        monkeypatch.setattr(native, "loops", loops)
        assert native.total([b"ab", b"c"]) == 3
        assert native.newest([b"a", b"c", b"b", b"c"]) == 1
