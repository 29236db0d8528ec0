"""Memory that was freed goes back to the host."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pipeline.support.allocator import Allocator, resident

PROGRAM = """
import sys
from pipeline.support.allocator import Allocator, resident

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


BETWEEN = """
import os
from pipeline.support.allocator import fix_limits, resident

fix_limits(os.environ)
del [bytearray(30 << 20)][:]  # what glibc takes for a sign
before = resident()
large, kept = [], []
for _ in range(50):
    large.append(bytearray(2 << 20))
    kept.append(bytearray(1000))
large.clear()
print(before >> 20, resident() >> 20)
"""


@pytest.mark.server
@pytest.mark.parametrize(
    ("environment", "held"),
    [
        ({}, 0),
        ({"MALLOC_MMAP_THRESHOLD_": str(1 << 30)}, 100),
        ({"GLIBC_TUNABLES": f"glibc.malloc.mmap_threshold={1 << 30}"}, 100),
        ({"GLIBC_TUNABLES": "glibc.malloc.check=0"}, 0),
    ],
)
def test_large_blocks_between_small_ones_are_given_back_at_once(
    environment: dict[str, str], held: int
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BETWEEN], env=environment, capture_output=True, text=True, check=True
    )
    before, left = map(int, done.stdout.split())
    assert held - 10 < left - before < held + 10


@pytest.mark.server
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
