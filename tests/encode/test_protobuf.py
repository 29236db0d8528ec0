"""What is written is what Google's own library reads, and writes."""

from __future__ import annotations

import struct

import pytest
from google.protobuf import struct_pb2, timestamp_pb2, wrappers_pb2
from hypothesis import given
from hypothesis import strategies as st

from pipeline.encode.protobuf import DELIMITED, delimited, double, integer, key, varint


@given(st.integers(0, 2**64 - 1))
def test_numbers_are_written_as_the_library_does(value: int) -> None:
    if value:
        assert integer(1, value) == wrappers_pb2.UInt64Value(value=value).SerializeToString()


@given(st.integers(-(2**63), -1))
def test_negative_numbers_take_ten_bytes(value: int) -> None:
    assert integer(1, value) == wrappers_pb2.Int64Value(value=value).SerializeToString()
    assert len(varint(value)) == 10


@pytest.mark.parametrize(
    "value", [0, 1, 127, 128, 2047, 2048, 16383, 16384, 2**32, 2**63, 2**64 - 1]
)
def test_numbers_are_read_back_at_every_change_of_length(value: int) -> None:
    assert wrappers_pb2.UInt64Value.FromString(integer(1, value)).value == value


def test_a_number_of_more_than_64_bits_is_cut_and_not_endless() -> None:
    assert varint(2**64 + 5) == varint(5)


@given(st.text())
def test_texts_are_read_back(text: str) -> None:
    assert wrappers_pb2.StringValue.FromString(delimited(1, text.encode())).value == text


@given(st.binary(max_size=5000))
def test_a_key_and_a_length_before_the_content_are_the_same_as_the_field(content: bytes) -> None:
    field = key(1, DELIMITED) + varint(len(content)) + content
    assert field == delimited(1, content)
    assert wrappers_pb2.BytesValue.FromString(field).value == content


@given(st.floats(allow_nan=False))
def test_doubles_are_read_back(value: float) -> None:
    assert wrappers_pb2.DoubleValue.FromString(double(1, value)).value == value


def test_a_nan_keeps_its_bits() -> None:
    """Prometheus' marker of staleness is one NaN of many."""
    stale = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]
    assert double(1, stale)[1:] == struct.pack("<Q", 0x7FF0000000000002)


def test_messages_are_fields_of_messages() -> None:
    written = delimited(6, delimited(1, delimited(3, b"in a list")) + delimited(1, integer(4, 1)))
    read = struct_pb2.Value.FromString(written)
    assert list(read.list_value) == ["in a list", True]
    moment = timestamp_pb2.Timestamp(seconds=1769903999, nanos=123456789)
    assert integer(1, 1769903999) + integer(2, 123456789) == moment.SerializeToString()
