"""Waiting for what real servers do in their own time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(condition: Callable[[], T], seconds: float = 60) -> T:
    """What the condition gives once it is true; fails after `seconds`. Blocks."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not true within {seconds} s: {found!r}"
        time.sleep(0.02)
    return found
