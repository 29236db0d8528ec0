"""The more logs there are that grow a little at a time, the longer each rests once it was read."""

from __future__ import annotations

import pytest

from pipeline.support.small_reads import BURST, LONGEST_OWED, LONGEST_REST, SmallReads

RATE = 250.0


def test_few_reads_cost_no_rest() -> None:
    reads = SmallReads(RATE)
    assert {reads.read(1000.0) for _ in range(BURST)} == {0.0}
    assert reads.read(1000.0) == pytest.approx(1 / RATE)


def test_a_read_now_and_then_costs_none_either() -> None:
    reads = SmallReads(RATE)
    assert {reads.read(1000.0 + number / RATE) for number in range(1000)} == {0.0}


def test_no_rest_is_longer_than_the_longest_and_silence_makes_up_for_it() -> None:
    reads = SmallReads(RATE)
    rests = [reads.read(1000.0) for _ in range(10_000)]
    assert max(rests) == rests[-1] == pytest.approx(LONGEST_REST)
    later = 1000.0 + LONGEST_OWED + (BURST + 1) / RATE
    assert {reads.read(later) for _ in range(BURST)} == {0.0}


@pytest.mark.parametrize(("logs", "each"), [(10, 0.04), (50, 0.2), (1000, 0.25)])
def test_logs_that_are_read_together_rest_as_long_as_the_rate_wants(logs: int, each: float) -> None:
    reads, now = SmallReads(RATE), 1000.0
    for _ in range(50):
        first, *_ = [reads.read(now) for _ in range(logs)]
        now += first or 0.001
    assert first == pytest.approx(each, abs=0.01)
