"""Numbers in few characters."""

from __future__ import annotations

from pipeline.cli.top.short_numbers import count, duration, size


def test_numbers_are_short() -> None:
    numbers = [0, 0.25, 3.5, 12, 999.4, 999.6, 1234, 99_999, 5_500_000, 10**15]
    assert [count(n) for n in numbers] == [
        "0", "0.2", "3.5", "12", "999", "1.0k", "1.2k", "100k", "5.5M", "1000T",
    ]  # fmt: skip
    assert [size(n) for n in (0, 999, 1000, 2**20, 36 * 2**30)] == [
        "0",
        "999",
        "1.0K",
        "1.0M",
        "36G",
    ]
    seconds = [0, 0.04, 0.4, 9.96, 119, 121, 7300, 86400 * 3]
    assert [duration(n) for n in seconds] == ["0s", "0s", "0.4s", "10s", "119s", "2m", "2h", "3d"]
