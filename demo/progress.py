"""What the demo says while it sets up: a line for each step, with seconds where it took long."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SLOW = 0.5
"""Seconds from which on a step says how long it took."""
WIDTH = 18
"""Characters of a step's name, with what separates it from its outcome."""


def say(text: str = "") -> None:
    """Prints a line at once."""
    print(text, flush=True)


@contextmanager
def step(name: str) -> Iterator[Callable[[str], None]]:
    """Prints a step's name when it begins, and its outcome when it ends.

    The block tells its outcome to what it is given. If it fails, the line ends before the error.
    """
    outcome: list[str] = []
    print(f"  {name:<{WIDTH}}", end="", flush=True)
    began = time.monotonic()
    try:
        yield outcome.append
    except BaseException:
        say()
        raise
    took = time.monotonic() - began
    say(" ".join(outcome) + (f" ({took:.1f} s)" if took >= SLOW else ""))


def aside(text: str) -> None:
    """Prints what the demo itself does in between the logs, so that nobody takes it for one."""
    bold = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    text = f"--- demo: {text}"
    say(f"\x1b[1m{text}\x1b[0m" if bold else text)
