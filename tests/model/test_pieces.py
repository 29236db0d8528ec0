"""Pieces are the same bytes, whoever cuts them."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pipeline.model.pieces import ENOUGH, SMALL, gathered, in_pieces, size_of, whole

SIZES = st.sampled_from([0, 1, 100, SMALL - 1, SMALL, SMALL + 1, ENOUGH, 3 * ENOUGH])


@given(st.lists(SIZES, max_size=40))
def test_small_pieces_are_put_together_in_order(sizes: list[int]) -> None:
    pieces = [bytes([number % 251]) * size for number, size in enumerate(sizes)]
    found = gathered(pieces)
    assert b"".join(found) == b"".join(pieces)
    assert all(len(piece) < ENOUGH + SMALL or piece in pieces for piece in found)
    pairs = pairwise(found)
    assert not any(len(one) < SMALL and len(other) < SMALL for one, other in pairs)
    assert all(any(one is piece for one in found) for piece in pieces if len(piece) >= SMALL)


def test_bytes_are_one_piece() -> None:
    assert in_pieces(b"ab") == (b"ab",)
    assert whole(b"ab") == whole([b"a", b"b"]) == b"ab"
    assert size_of(b"ab") == size_of([b"a", b"b"]) == 2
    assert gathered([]) == [] and whole([]) == b""
