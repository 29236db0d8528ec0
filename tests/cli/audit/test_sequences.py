"""What is missing and what came twice, from the numbers of entries in any order."""

from __future__ import annotations

from collections import Counter
from itertools import chain, pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.cli.audit import sequences
from pipeline.cli.audit.entries import LOGS
from pipeline.cli.audit.sequences import Series


def numbers(ranges: Any) -> list[int]:
    return [number for first, last in ranges for number in range(first, last + 1)]


RUNS = st.builds(lambda first, count: [*range(first, first + count)], *[st.integers(1, 30)] * 2)
SEEN = st.lists(st.integers(1, 60)) | st.lists(RUNS).map(lambda runs: [*chain(*runs)])


@given(SEEN.filter(bool))
@example([3, 2, 1])
@example([1, 2, 3, 2, 3, 4, 2])
def test_any_numbers_in_any_order_give_exactly_what_is_missing_and_what_came_twice(
    seen: list[int],
) -> None:
    for fewest in (0, 1, 1000):  # how many runs are gathered must not matter
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sequences, "FEWEST", fewest)
            series = Series("id", "name", LOGS)
            for number in seen:
                series.add(number, f"t{number}")
            counts = Counter(seen)
            whole = range(min(seen), max(seen) + 1)
            gaps = list(series.gaps)
            missing = [number for number in whole if number not in counts]
            assert numbers((gap.first, gap.last) for gap in gaps) == missing
            assert series.missing == len(missing)
            assert numbers(series.repeated) == sorted(n for n in counts if counts[n] > 1)
            assert series.repeats == len(seen) - len(counts)
            assert (series.first, series.last, series.entries) == (whole[0], whole[-1], len(seen))
            for gap in gaps:
                assert (gap.after, gap.before) == (f"t{gap.first - 1}", f"t{gap.last + 1}")
            assert all(a.last + 1 < b.first for a, b in pairwise(gaps))


@given(st.lists(st.integers(1, 2**70), min_size=1, max_size=20))
def test_numbers_of_any_size_are_compared_and_not_counted_through(seen: list[int]) -> None:
    series = Series("id", "name", LOGS)
    for number in seen:
        series.add(number, None)
    assert series.missing == max(seen) - min(seen) + 1 - len(set(seen))


def test_a_series_may_be_asked_at_any_time() -> None:
    series = Series("id", "name", LOGS)
    series.add(1, None)
    assert (series.missing, series.repeats, series.last) == (0, 0, 1)
    series.add(3, None)
    assert (series.missing, series.repeats, series.last) == (1, 0, 3)
    series.add(3, None)
    assert (series.repeated, series.missing) == ([(3, 3)], 1)


def test_memory_is_for_gaps_and_not_for_entries() -> None:
    series = Series("id", "name", LOGS)
    half = 20_000
    for number in range(1, half):
        series.add(number, "2026-01-31T23:59:59.123456789Z")
        series.add(half + number, "2026-01-31T23:59:59.123456789Z")  # no two in order
    assert series.runs == [
        (1, half - 1, series.runs[0][2], series.runs[0][3]),
        (half + 1, 2 * half - 1, series.runs[1][2], series.runs[1][3]),
    ]
    assert len(series._whole._new) == 0


SPLIT = st.lists(st.tuples(st.integers(1, 20), st.integers(0, 4)), min_size=1)


@given(SPLIT)
@example([(1, 1), (1, 2), (2, 0), (1, 1), (1, 2), (2, 0)])
def test_any_parts_in_any_order_give_exactly_what_is_missing_and_what_came_twice(
    seen: list[tuple[int, int]],
) -> None:
    for fewest in (0, 1000):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sequences, "FEWEST", fewest)
            series = Series("id", "name", LOGS)
            for sequence, number in seen:
                series.add(sequence, None, number)
            there, counts = {sequence for sequence, _ in seen}, Counter(seen)
            whole = range(min(there), max(there) + 1)
            assert series.missing == len(whole) - len(there)
            assert numbers((gap.first, gap.last) for gap in series.gaps) == [
                number for number in whole if number not in there
            ]
            assert series.repeats == len(seen) - len(counts)
            assert numbers(series.repeated) == sorted({n for (n, p), c in counts.items() if c > 1})
