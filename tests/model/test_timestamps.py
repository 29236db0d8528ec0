"""One form for every time."""

from __future__ import annotations

import pytest

from pipeline.model.timestamps import (
    NO_TIME,
    all_nanoseconds,
    all_seconds,
    from_nanoseconds,
    nanoseconds,
    split_timestamp,
    timestamp,
    to_seconds,
    to_since,
)

FORM = b"2026-01-31T23:59:59.123456789Z"


def test_what_has_the_form_keeps_it() -> None:
    assert split_timestamp(FORM + b" text") == (FORM, b"text")


@pytest.mark.parametrize(
    "payload",
    [b"", b"text", b"2026-01-31 text", FORM[:20], FORM + b"text", b"9999-99-99T99:99:99+99:99 x"],
)
def test_what_is_no_timestamp_is_left_alone(payload: bytes) -> None:
    time, text = split_timestamp(payload)
    assert time == NO_TIME
    assert text in (payload, b"x")


def test_a_timestamp_may_stand_alone() -> None:
    assert split_timestamp(FORM) == (FORM, b"")
    assert split_timestamp(FORM + b"\n") == (FORM, b"\n")


def test_since_keeps_every_nanosecond() -> None:
    assert to_since(FORM) == "1769903999.123456789"
    assert from_nanoseconds(1769903999123456789) == FORM


def test_seconds_go_there_and_back() -> None:
    assert to_seconds(FORM) == pytest.approx(1769903999.123456789)
    assert timestamp(1769903999.5) == b"2026-01-31T23:59:59.500000000Z"
    assert timestamp(0) == b"1970-01-01T00:00:00.000000000Z"


def test_the_seconds_of_many_are_those_of_each() -> None:
    times = [from_nanoseconds(number * 333_333_333) for number in (0, 1, 2, 9, 9, 3, 10**10)]
    assert all_seconds(times) == [pytest.approx(to_seconds(time), abs=1e-6) for time in times]
    assert all_nanoseconds(times) == list(map(nanoseconds, times))
