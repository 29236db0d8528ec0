"""Limits for what the agent says of things that may happen with every batch, or all the time."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

EVERY = 10.0
"""Seconds between two messages of the same kind."""
OFTEN = 10
"""Times that something is said to be wrong, until that counts as all the time."""


class RateLimit:
    """Lets the first one through, then one every `EVERY` seconds, which stands for all since.

    if count := self._refusals(len(batch)):
        log.warning("%d entries refused", count)
    """

    __slots__ = ("_count", "_silent_until")

    def __init__(self) -> None:
        self._count = 0
        self._silent_until = 0.0

    def __call__(self, count: int = 1) -> int:
        """How often it has happened since it was last said, now included; 0 while it is too early
        to say it again."""
        self._count += count
        now = time.monotonic()
        if now < self._silent_until:
            return 0
        self._silent_until = now + EVERY
        count, self._count = self._count, 0
        return count


class Trouble:
    """Says that something is wrong when that begins, and when it is over, and not at every attempt.
    What comes and goes all the time is said every `EVERY` seconds, once it was said `OFTEN`."""

    __slots__ = ("_left", "_log", "_said", "_shown", "_since", "_what", "problem")

    def __init__(self, log: logging.Logger, what: str, shown: Callable[[str], str] = str) -> None:
        """`what` has it: `sink papertrail`. `shown`: what of a sentence may be shown."""
        self.problem: str | None = None
        """What is wrong now."""
        self._log = log
        self._what = what
        self._shown = shown
        self._said = False
        self._left = float(OFTEN)
        self._since = time.monotonic()

    def __call__(self, problem: str | None) -> None:
        """It is so now; None if nothing is wrong."""
        problem = self._shown(problem) if problem else None
        if problem and not self._said and self._may_be_said():
            self._log.warning("%s: %s; retrying", self._what, problem)
            self._said = True
        elif not problem and self._said:
            self._log.warning("%s: back to normal", self._what)
            self._said = False
        self.problem = problem

    def _may_be_said(self) -> bool:
        now = time.monotonic()
        self._left = min(float(OFTEN), self._left + (now - self._since) / EVERY)
        self._since = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
