"""Partitions of containers."""

from __future__ import annotations

from collections import Counter

from pipeline.encode.nats.partition import partition


def test_a_container_is_always_in_the_same_partition() -> None:
    """These are fixed: another version, which reads what this one has written, counts on it."""
    assert partition("4f1c" * 16, 16) == 12
    assert partition("0" * 64, 16) == 11
    assert partition("", 16) == 0
    assert partition("\udcff", 3) in range(3)


def test_containers_are_spread_evenly() -> None:
    counts = Counter(partition(f"{number:064x}", 16) for number in range(16_000))
    assert len(counts) == 16
    assert all(900 < count < 1100 for count in counts.values())
