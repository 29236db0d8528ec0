"""Numbers of a variable length are read where they are, and nowhere else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.encode.protobuf import varint
from pipeline.support.varint import read_varint


@given(st.integers(0, 2**64 - 1), st.binary(max_size=3), st.binary(max_size=3))
def test_what_was_written_is_read(number: int, before: bytes, behind: bytes) -> None:
    written = varint(number)
    end = len(before) + len(written)
    assert read_varint(before + written + behind, len(before)) == (number, end)
    with pytest.raises(IndexError):
        read_varint(before + written[:-1], len(before))


@pytest.mark.parametrize("at", [1, 2**40, 2**62])
def test_nothing_is_read_beyond_the_data(at: int) -> None:
    with pytest.raises(IndexError):
        read_varint(b"\x01", at)


def test_more_than_ten_bytes_are_no_number() -> None:
    assert read_varint(b"\xff" * 9 + b"\x01", 0) == (2**64 - 1, 10)
    with pytest.raises(ValueError, match="more than ten bytes"):
        read_varint(b"\xff" * 10 + b"\x01", 0)
