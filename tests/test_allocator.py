"""Memory that was freed goes back to the host."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pipeline.allocator import Allocator, resident

PROGRAM = """
import sys
from pipeline.allocator import Allocator, resident

allocator = Allocator()
allocator.look()
before = resident()
large = [bytearray(100_000) for _ in range(1000)]
kept = [bytearray(1000) for _ in range(1000)]
grown = [bytearray(100_000) for _ in range(1000)]
del large, grown
held = resident()
allocator.look()
print(before >> 20, held >> 20, resident() >> 20)
"""


def test_what_is_free_is_given_back_once_the_process_has_grown() -> None:
    environment = {"MALLOC_TOP_PAD_": str(1 << 30), "MALLOC_MMAP_THRESHOLD_": str(1 << 30)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True
    )
    before, held, left = map(int, done.stdout.split())
    assert held > before + 100
    assert left < before + 20


def test_a_process_that_has_not_grown_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    allocator = Allocator()
    monkeypatch.setattr(allocator, "_trim", asked.append)
    for _ in range(3):
        allocator.look()
    assert asked == [0]


def test_what_is_resident_is_told_in_bytes() -> None:
    assert 1 << 20 < resident() < 1 << 40
