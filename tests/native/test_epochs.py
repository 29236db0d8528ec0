"""Times written in C are those that Python writes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import native
from pipeline.encode.gelf import timestamps
from tests.native.examples import examples

GOOD = b"2026-01-31T23:59:59.123456789Z"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def test_times_are_seconds_with_all_digits_of_the_fraction(c: native.Loops) -> None:
    times = [GOOD, b"1970-01-01T00:00:00.000000001Z", b"9999-12-31T23:59:59.999999999Z"]
    assert c.epochs(times, True) == b"1769903999.123456789\n0.000000001\n253402300799.999999999"


def test_without_a_point_they_are_nanoseconds(c: native.Loops) -> None:
    times = [GOOD, b"1970-01-01T00:00:01.000000001Z", b"9999-12-31T23:59:59.999999999Z"]
    assert c.epochs(times, False) == b"1769903999123456789\n1000000001\n253402300799999999999"
    assert c.epochs([GOOD, b"1970-01-01T00:00:00.999999999Z"], False) is None


@pytest.mark.parametrize(
    "odd",
    [
        b"1969-12-31T23:59:59.999999999Z",
        b"2026-02-29T00:00:00.000000000Z",
        b"2100-02-29T00:00:00.000000000Z",
        b"2026-00-01T00:00:00.000000000Z",
        b"2026-13-01T00:00:00.000000000Z",
        b"2026-01-00T00:00:00.000000000Z",
        b"2026-04-31T00:00:00.000000000Z",
        b"2026-01-01T24:00:00.000000000Z",
        b"2026-01-01T00:60:00.000000000Z",
        b"2026-01-01T00:00:60.000000000Z",
        b"2026-01-01T00:00:00,000000000Z",
        b"2026-01-01T00:00:00.00000000/Z",
        b"2026-01-01T00:00:00.00000000:Z",
        GOOD[:-1],
        GOOD + b"Z",
        b"",
        bytearray(GOOD),
        "2026",
        None,
    ],
)
def test_what_is_no_moment_of_that_form_is_given_back(c: native.Loops, odd: Any) -> None:
    assert c.epochs([GOOD, odd], True) is None
    assert c.epochs([odd, GOOD], False) is None


def test_no_times_are_given_back_and_what_is_no_list_is_an_error(c: native.Loops) -> None:
    assert c.epochs([], True) is None
    with pytest.raises(TypeError):
        c.epochs((GOOD,), True)  # type: ignore[arg-type]


@settings(max_examples=examples(500), deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 253_402_300_799), st.integers(0, 999_999_999)),
        min_size=1,
        max_size=8,
    )
)
def test_any_moment_is_written_the_same_either_way(
    c: native.Loops, moments: list[tuple[int, int]]
) -> None:
    times = [
        (EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S").zfill(19).encode()
        + b".%09dZ" % rest
        for seconds, rest in moments
    ]
    written = c.epochs(times, True)
    assert written is not None
    assert written.split(b"\n") == timestamps(times)


@settings(max_examples=examples(300), deadline=None)
@given(st.integers(0, 29), st.binary(min_size=1, max_size=2))
def test_bytes_replaced_are_refused_or_written_the_same(
    c: native.Loops, at: int, other: bytes
) -> None:
    time = (GOOD[:at] + other + GOOD[at + len(other) :])[:30]
    written = c.epochs([time], True)
    if written is not None:
        assert written.split(b"\n") == timestamps([time])
