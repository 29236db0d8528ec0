"""Columns of batches, for the properties of loops that write them."""

from __future__ import annotations

from hypothesis import strategies as st

from pipeline.model.timestamps import from_nanoseconds

PIECES = [
    *(b"", b"plain text", b"\0", b"\n", b"\x7f", b"\xc3\xa9", b"\xe2\x82", b"\xff", b"x" * 200),
    *(b"\xf0\x9f\x98", b"\xf0\x9f\x98\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\x80"),
]
TEXTS = st.binary(max_size=40) | st.lists(st.sampled_from(PIECES), max_size=6).map(b"".join)

TIMES = st.integers(0, (1 << 63) - 1).map(from_nanoseconds) | st.sampled_from(
    [
        b"1970-01-01T00:00:00.000000000Z",
        b"1969-12-31T23:59:59.999999999Z",
        b"0001-01-01T00:00:00.000000000Z",
        b"9999-12-31T23:59:59.999999999Z",
        b"2024-02-29T12:00:00.000000001Z",
        b"2000-02-29T12:00:00.000000001Z",
        b"2262-04-11T23:47:16.854775807Z",
        b"2262-04-11T23:47:16.854775808Z",
        b"2262-04-11T23:47:17.000000000Z",
    ]
)

TIMES_THAT_ARE_NONE = [
    b"",
    b"2026-01-31T23:59:59.123456789",
    b"2026-01-31T23:59:59.123456789Z ",
    b"2026-01-31T23:59:59,123456789Z",
    b"2026-01-31 23:59:59.123456789Z",
    b"2026-01-31T23:59:59.12345678xZ",
    b"2026-01-31T23:59:59.+23456789Z",
    b"2026-02-29T23:59:59.123456789Z",
    b"1900-02-29T23:59:59.123456789Z",
    b"2026-00-31T23:59:59.123456789Z",
    b"2026-13-31T23:59:59.123456789Z",
    b"2026-04-31T23:59:59.123456789Z",
    b"2026-01-00T23:59:59.123456789Z",
    b"2026-01-31T24:59:59.123456789Z",
    b"2026-01-31T23:60:59.123456789Z",
    b"2026-01-31T23:59:60.123456789Z",
    b"0000-01-31T23:59:59.123456789Z",
    b"\0" * 19 + b".123456789Z",
]

NUMBERS = st.integers(0, 300) | st.integers(0, (1 << 63) - 100) | st.just(2**14 - 2)
"""The first sequence number of a batch."""
