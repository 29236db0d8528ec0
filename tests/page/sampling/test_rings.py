"""The figures of the last hour."""

from __future__ import annotations

import pytest

from pipeline.page.sampling.rings import DEPTHS, FIGURES, MOST_BYTES, Ring, Rings


def test_a_ring_has_the_newest_readings_oldest_first() -> None:
    ring = Ring(2, 3)
    for number in range(1, 6):
        ring.put(number, (number, None))
    assert ring.series(5, 0) == [3, 4, 5]
    assert ring.series(5, 1) == [None, None, None]


def test_what_was_not_measured_is_none_and_not_zero() -> None:
    ring = Ring(1, 4)
    for number, value in enumerate((0.0, None, 2.5), 1):
        ring.put(number, (value,))
    assert ring.series(3, 0) == [0.0, None, 2.5]


def test_rings_that_begin_later_are_shorter() -> None:
    rings = Rings()
    rings.finish(rings.begin(1), 100.0)
    number = rings.begin(2)
    late = rings.ring("late")
    assert late is not None
    late.put(number, (1.0,) * len(FIGURES))
    rings.finish(number, 120.0)
    assert late.series(rings.number, 0) == [1.0]


def test_a_reading_that_is_not_finished_is_not_shown() -> None:
    ring = Ring(1, 3)
    for number in range(1, 6):
        ring.put(number, (number,))
    assert ring.series(6, 0) == [4, 5, None]
    ring.put(6, (6,))
    assert ring.series(5, 0) == [4, 5]


@pytest.mark.parametrize("missed", [1, 2, 3, 10])
def test_a_missed_reading_has_no_figures_and_moves_no_other(missed: int) -> None:
    ring = Ring(1, 4)
    for number in range(1, 8):
        ring.put(number, (number,))
    ring.put(8 + missed, (99,))
    expected = [5, 6, 7, *[None] * missed, 99][-4:]
    assert ring.series(8 + missed, 0) == expected
    assert ring.resized(9).series(8 + missed, 0) == expected


def test_a_reading_that_is_taken_again_replaces_the_first() -> None:
    ring = Ring(1, 3)
    for number, value in ((1, 1), (2, 2), (2, 20)):
        ring.put(number, (value,))
    assert ring.series(2, 0) == [1, 20]


@pytest.mark.parametrize("depth", DEPTHS[1:])
def test_a_shallower_ring_keeps_the_newest(depth: int) -> None:
    ring = Ring(1, DEPTHS[0])
    for number in range(1, 301):
        ring.put(number, (number,))
    assert ring.resized(depth).series(300, 0) == list(range(301 - depth, 301))


def test_all_of_them_fit_however_many_there_are() -> None:
    for containers in (1, 3_000, 5_000, 10_000, 29_000):
        rings = Rings()
        rings.begin(containers)
        assert containers * rings.depth * len(FIGURES) * 4 <= MOST_BYTES


def test_beyond_that_new_containers_get_none() -> None:
    rings = Rings()
    most = MOST_BYTES // (4 * len(FIGURES) * DEPTHS[-1])
    rings.begin(most + 1)
    made = [rings.ring(str(number)) for number in range(most + 1)]
    assert made[-2] is not None
    assert made[-1] is None
    rings.keep(frozenset(("0", "1")))
    assert len(rings.by_id) == 2
    assert rings.ring("another") is not None
