"""Who is to read which partition."""

from __future__ import annotations

from collections import Counter

import pytest

from pipeline.transport.nats.shares import assign

HUBS = [f"{number:016x}" for number in range(40)]


@pytest.mark.parametrize("shares", [1, 3, 16, 100, 4096])
@pytest.mark.parametrize("hubs", [1, 2, 3, 7, 40])
def test_all_have_as_many_or_one_more(shares: int, hubs: int) -> None:
    counts = Counter(dict.fromkeys(HUBS[:hubs], 0))
    counts.update(assign(shares, HUBS[:hubs]))
    assert sum(counts.values()) == shares
    assert set(counts.values()) <= {shares // hubs, shares // hubs + 1}


def test_everybody_comes_to_the_same() -> None:
    assert assign(64, HUBS[:5]) == assign(64, HUBS[4::-1])


@pytest.mark.parametrize("shares", [16, 256, 4096])
@pytest.mark.parametrize("hubs", [1, 2, 4, 9])
def test_when_one_comes_or_goes_few_others_change(shares: int, hubs: int) -> None:
    moved = 0
    for start in range(0, 30, 10):
        names = HUBS[start : start + hubs + 1]
        before, after = assign(shares, names[:-1]), assign(shares, names)
        moved += sum(one != other for one, other in zip(before, after, strict=True))
    least = shares / (hubs + 1)  # what the new one gets
    assert moved / 3 <= 2 * least + 1
