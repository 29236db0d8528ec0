"""Columns are joined to rows, the same by either loops."""

from __future__ import annotations

import pytest

from pipeline import native
from pipeline.encode.interleaved import interleaved

pytestmark = pytest.mark.usefixtures("either_loops")


def test_rows_have_their_cells_between_literals() -> None:
    columns = (b"a|b", b"|"), [b"1%", b""], range(7, 9), [3, 4]
    assert interleaved(native.loops, (b"%<", b",", b"=", b"=", b">\n"), columns, 2) == (
        b"%<a,1%=7=3>\n%<b,=8=4>\n"
    )


def test_texts_are_quoted() -> None:
    columns = ([b'"\x7f\n', b"\xff"],), range(7, 9)
    assert interleaved(native.loops, (b'"', b'",', b";"), columns, 2) == (
        b'"\\"\x7f\\n",7;"\xef\xbf\xbd",8;'
    )
    assert interleaved(native.loops, (b"", b",", b""), (columns[0], [-1, 2]), 2) == (
        b'\\"\x7f\\n,-1\xef\xbf\xbd,2'
    )


def test_numbers_may_be_of_any_size() -> None:
    assert interleaved(native.loops, (b"", b";"), ([-1, 2**70],), 2) == b"-1;%d;" % 2**70


@pytest.mark.parametrize("cells", [b"a", b"a|b|c"])
def test_too_few_or_too_many_cells_in_a_run_are_told(cells: bytes) -> None:
    assert interleaved(native.loops, (b"", b""), ((cells, b"|"),), 2) is None
