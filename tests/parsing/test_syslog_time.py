"""The time of a syslog message."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from pipeline.model.timestamps import NO_TIME
from pipeline.parsing.syslog_time import _local, moment


@pytest.fixture(params=["UTC", "Europe/Berlin"])
def offset(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Hours that the local zone is ahead in winter."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    _local.cache_clear()
    yield 0 if request.param == "UTC" else 1
    monkeypatch.undo()
    time.tzset()
    _local.cache_clear()


def at(*moment: int) -> float:
    return datetime(*moment, tzinfo=UTC).timestamp()  # type: ignore[arg-type,misc]


NOW = at(2026, 1, 15)


def test_rfc_3339_has_a_zone_and_any_number_of_digits() -> None:
    assert moment("2026-01-31T23:59:59.123456Z", NOW) == b"2026-01-31T23:59:59.123456000Z"
    assert moment("2026-01-31T23:59:59+02:00", NOW) == b"2026-01-31T21:59:59.000000000Z"


def test_a_time_without_a_zone_is_local(offset: int) -> None:
    assert moment("2026-01-31T13:00:00", NOW) == b"2026-01-31T%d:00:00.000000000Z" % (13 - offset)
    assert moment("Jan 31 13:00:00", NOW) == b"2026-01-31T%d:00:00.000000000Z" % (13 - offset)


@pytest.mark.parametrize(
    ("text", "now", "year"),
    [
        ("Jan  1 12:00:00", NOW, b"2026"),
        ("Dec 31 12:00:00", NOW, b"2025"),
        ("Jan  1 12:00:00", at(2025, 12, 31, 12), b"2026"),
        ("Jun 30 12:00:00", NOW, b"2026"),
        ("Oct 11 2019 12:00:00.5", NOW, b"2019"),
    ],
)
def test_a_time_without_a_year_is_of_the_nearest(text: str, now: float, year: bytes) -> None:
    assert moment(text, now)[:4] == year
    assert len(moment(text, now)) == 30


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Feb 30 12:00:00",
        "Foo 12 12:00:00",
        "2026-13-01T00:00:00",
        "2026-13-01T00:00:00Z",
        "9999-01-01T00:00:00Z",
        "1969-12-31T23:59:59Z",
        "2026-01-01T24:00:60Z",
    ],
)
def test_what_is_no_time_is_none(text: str) -> None:
    assert moment(text, NOW) == NO_TIME
