"""The stage `time`."""

from __future__ import annotations

import time as clock
from datetime import datetime
from typing import Any

import pytest

from pipeline.model.component import Stage
from pipeline.model.errors import ConfigError
from pipeline.model.records import Records
from pipeline.model.timestamps import nanoseconds, to_seconds
from pipeline.stages import parse, time
from pipeline.testing.builders import batch, container, entries
from pipeline.testing.stage_kit import StageKit


class TestField(StageKit):
    def make(self) -> Stage:
        return time.Stage("status")


class TestRegex(StageKit):
    def make(self) -> Stage:
        return made(regex=r"\d+")


class TestFormat(StageKit):
    def make(self) -> Stage:
        return made(field="msg", format="%b %d")


def made(**options: Any) -> Stage:
    return time.Stage(time.Options(**options))


DOCKERS = b"2026-01-31T23:59:59.000000000Z"


def of(value: Any, form: str = "auto", zone: str = "UTC") -> str | None:
    """The time, None where it stays Docker's."""
    whole = batch("x", fields=[{"ts": value}])
    assert whole.times == [DOCKERS]
    result = made(field="ts", format=form, zone=zone)(whole)
    assert result is not None
    (found,) = result.times
    assert len(found) == 30
    assert to_seconds(found) == pytest.approx(nanoseconds(found) / 1e9)
    return None if found == DOCKERS else found.decode()


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("2026-01-02T03:04:05.123456789Z", "2026-01-02T03:04:05.123456789Z"),
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000000000Z"),
        ("2026-01-02 03:04:05,5", "2026-01-02T03:04:05.500000000Z"),
        (" 2026-01-02 03:04:05 UTC ", "2026-01-02T03:04:05.000000000Z"),
        ("2026-01-02t03:04z", "2026-01-02T03:04:00.000000000Z"),
        ("2026-01-02T03:04:05.1234567899+02:00", "2026-01-02T01:04:05.123456789Z"),
        ("2026-01-02T03:04:05-0730", "2026-01-02T10:34:05.000000000Z"),
        ("2026-01-02T03:04:05+01", "2026-01-02T02:04:05.000000000Z"),
        ("1970-01-01T00:00:00+00:00", "1970-01-01T00:00:00.000000000Z"),
        ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000000000Z"),
        (1767323045, "2026-01-02T03:04:05.000000000Z"),
        (1767323045.25, "2026-01-02T03:04:05.250000000Z"),
        (1767323045.123457, "2026-01-02T03:04:05.123457000Z"),
        ("1767323045.123456789", "2026-01-02T03:04:05.123456789Z"),
        (1767323045123, "2026-01-02T03:04:05.123000000Z"),
        (1767323045123.5, "2026-01-02T03:04:05.123500000Z"),
        (1767323045123456, "2026-01-02T03:04:05.123456000Z"),
        (1767323045123456789, "2026-01-02T03:04:05.123456789Z"),
        (1767323045123456000.0, "2026-01-02T03:04:05.123456000Z"),
        (0, "1970-01-01T00:00:00.000000000Z"),
    ],
)
def test_the_usual_forms_are_understood_without_a_word(value: Any, found: str) -> None:
    assert of(value) == found


@pytest.mark.parametrize(
    "value",
    [
        "", "now", "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-01-01T24:00:00Z",
        "2026-01-01T00:00:60Z", "2026-01-01", "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00", "1969-12-31T23:59:59Z", "2262-01-01T00:00:00Z",
        "2026-01-01T00:00:00+25:00", "٢٠٢٦-01-01T00:00:00Z",
        "2026-01-01T00:00:00Zx", -1, 1e300, float("nan"), float("inf"), 10**400, 2**63, "1" * 5000,
        None, True, [], {}, [1767323045], 99999999999,
    ],
)  # fmt: skip
def test_what_is_no_time_keeps_dockers(value: Any) -> None:
    assert of(value) is None


@pytest.mark.parametrize(
    ("form", "value", "found"),
    [
        ("unix", "5.5", "1970-01-01T00:00:05.500000000Z"),
        ("unix_ms", 1500, "1970-01-01T00:00:01.500000000Z"),
        ("unix_ms", "1500.25", "1970-01-01T00:00:01.500250000Z"),
        ("unix_us", 1500, "1970-01-01T00:00:00.001500000Z"),
        ("unix_ns", 1500, "1970-01-01T00:00:00.000001500Z"),
        ("unix_ns", 1500.75, "1970-01-01T00:00:00.000001500Z"),
        ("unix", "2026-01-02T03:04:05Z", None),
        ("iso", 1767323045, None),
        ("%d/%b/%Y:%H:%M:%S %z", "02/Jan/2026:03:04:05 +0100", "2026-01-02T02:04:05.000000000Z"),
        ("%Y%m%d %H%M%S.%f", "20260102 030405.25", "2026-01-02T03:04:05.250000000Z"),
        ("%d.%m.%y %H:%M", "02.01.26 03:04", "2026-01-02T03:04:00.000000000Z"),
        ("%d.%m.%y %H:%M", "2.1.26", None),
        ("%d.%m.%Y %H:%M", 5, None),
    ],
)
def test_a_format_of_ones_own(form: str, value: Any, found: str | None) -> None:
    assert of(value, form) == found


@pytest.mark.parametrize(
    ("text", "year"),
    [("Jan 31 23:00:00", 2026), ("Feb  1 00:00:01", 2026), ("Dec 31 23:59:58", 2025),
     ("Jul 30 00:00:00", 2026), ("Sep  1 00:00:00", 2025)],
)  # fmt: skip
def test_without_a_year_it_is_the_nearest_one(text: str, year: int) -> None:
    found = of(text, "%b %d %H:%M:%S")
    assert found is not None
    assert found == datetime.strptime(f"{year} {text}", "%Y %b %d %H:%M:%S").strftime(
        "%Y-%m-%dT%H:%M:%S.000000000Z"
    )


def test_the_29th_of_february_is_of_a_leap_year_or_of_none() -> None:
    assert of("Feb 29", "%b %d") is None
    whole = batch("x", fields=[{"ts": "Feb 29"}]).replace(times=[b"2024-03-01T00:00:00.000000000Z"])
    result = made(field="ts", format="%b %d")(whole)
    assert result is not None
    assert result.times == [b"2024-02-29T00:00:00.000000000Z"]


def test_a_zone_is_for_what_does_not_tell_its_own() -> None:
    assert of("2026-01-02 03:04:05", zone="Europe/Berlin") == "2026-01-02T02:04:05.000000000Z"
    assert of("2026-07-02 03:04:05", zone="Europe/Berlin") == "2026-07-02T01:04:05.000000000Z"
    assert of("2026-01-02 03:04:05Z", zone="Europe/Berlin") == "2026-01-02T03:04:05.000000000Z"
    assert of("2026-10-25 02:30:00", zone="Europe/Berlin") == "2026-10-25T00:30:00.000000000Z"
    assert of("1 1 2026 3", "%d %m %Y %H", "Asia/Tokyo") == "2025-12-31T18:00:00.000000000Z"
    assert of(1767323045, zone="Europe/Berlin") == "2026-01-02T03:04:05.000000000Z"


@pytest.mark.parametrize(
    "regex",
    [r"^\S+ \S+", r"^(\S+ \S+) (\w)", r"^(?P<x>\S+) (?P<time>\S+T\S+)", r"^(\S+ \S+)|nothing"],
)
def test_it_is_found_in_the_message(regex: str) -> None:
    stage = made(regex=regex)
    line = "2026-01-02T 2026-01-02T03:04:05Z x" if "time" in regex else "2026-01-02 03:04:05 x"
    before = batch(line, "no time", "nothing", b"\xff")
    rows = entries(stage(before))
    assert rows[0].time == b"2026-01-02T03:04:05.000000000Z"
    assert [row.time for row in rows[1:]] == before.times[1:]


def test_a_batch_without_any_is_passed_on_as_it_is() -> None:
    whole = batch("one", "two")
    assert time.Stage("ts")(whole) is whole
    whole = batch("one", fields=[{"ts": "never"}])
    assert time.Stage("ts")(whole) is whole


def test_records_stay_records() -> None:
    stage = parse.Stage("json").bind(container())
    lines = ['{"ts":"2026-01-02T03:04:05Z","http":{"at":5}}', '{"n":1}']
    stage(batch(*lines))
    parsed = stage(batch(*lines))
    assert parsed is not None
    result = time.Stage("ts")(parsed)
    assert result is not None
    assert type(result.parsed) is Records
    assert result.times == [b"2026-01-02T03:04:05.000000000Z", parsed.times[1]]
    result = time.Stage("http.at")(parsed)
    assert result is not None
    assert result.times[0] == b"1970-01-01T00:00:05.000000000Z"


def test_what_is_remembered_is_bounded() -> None:
    known = time._Known()
    for number in range(3 * known.MOST):
        assert known.of(number, str) == str(number)
        assert len(known._known) <= known.MOST


@pytest.mark.parametrize(
    ("options", "path", "text"),
    [
        ({}, "", "write where"),
        ({"field": "a", "regex": "b"}, "", "write where"),
        ({"field": "a", "zone": "Europe/Berlim"}, "zone", "no time zone"),
        ({"field": "a", "zone": "../x"}, "zone", "no time zone"),
        ({"field": "a", "format": "rfc"}, "format", "no format"),
        ({"field": "a", "format": "%H:%M"}, "format", "no day"),
        ({"field": "a", "format": "%d %m %Q"}, "format", "cannot be read"),
        ({"regex": "("}, "regex", "cannot be read"),
    ],
)
def test_what_cannot_work_is_said(options: dict[str, Any], path: str, text: str) -> None:
    with pytest.raises(ConfigError, match=text) as caught:
        made(**options)
    assert caught.value.path == path


def test_the_zone_of_the_process_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    clock.tzset()
    try:
        assert of("2026-01-02 03:04:05") == "2026-01-02T03:04:05.000000000Z"
        assert of("1 1 2026", "%d %m %Y") == "2026-01-01T00:00:00.000000000Z"
    finally:
        monkeypatch.undo()
        clock.tzset()
