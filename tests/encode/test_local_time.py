"""Local time is worked out once per second, for any zone."""

import time
from collections.abc import Iterator

import pytest

from pipeline.encode.local_time import LocalTime


@pytest.fixture
def kathmandu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    time.tzset()
    yield
    monkeypatch.delenv("TZ")
    time.tzset()


@pytest.mark.usefixtures("kathmandu")
def test_a_time_is_rendered_in_the_process_zone_across_midnight() -> None:
    local = LocalTime("%b %e %H:%M:%S")
    times = [b"2026-01-31T23:59:59.123456789Z", b"2026-01-31T12:00:00.000000000Z"]
    assert local.render(times) == [b"Feb  1 05:44:59", b"Jan 31 17:45:00"]


def test_more_seconds_than_are_remembered_are_rendered_all_the_same() -> None:
    local = LocalTime("%M:%S")
    times = [b"2026-01-31T%02d:%02d:%02d.000000000Z" % (h, m, s)
             for h in range(2) for m in range(60) for s in range(60)]  # fmt: skip
    expected = [time[14:19] for time in times]
    assert local.render(times) == expected
    assert local.render(times) == expected
