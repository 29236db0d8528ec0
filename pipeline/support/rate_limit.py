"""Rate limits for log messages about things that may happen with every batch, or all the time."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from pipeline.support.elapsed import elapsed

EVERY = 10.0
"""Seconds between two messages of the same kind."""
OFTEN = 10
"""How many times a problem that comes and goes is logged before it is limited to once in `EVERY`
seconds."""


class RateLimit:
    """Limits a message to one every `EVERY` seconds, and counts what happened in between.

    To log a message that way:

        if count := self._refusals(len(batch)):
            log.warning("%d entries refused", count)
    """

    __slots__ = ("_count", "_silent_until")

    def __init__(self) -> None:
        self._count = 0
        self._silent_until = 0.0

    def __call__(self, count: int = 1) -> int:
        """Counts `count` more. Returns how many there were since the last message, these included,
        if one is due now; otherwise 0."""
        self._count += count
        now = time.monotonic()
        if now < self._silent_until:
            return 0
        self._silent_until = now + EVERY
        count, self._count = self._count, 0
        return count


class Trouble:
    """Logs when a problem begins, and when it is over and how long it took, and not at every
    attempt in between.

    A problem that comes and goes all the time is logged at most `OFTEN` times, then once in `EVERY`
    seconds.
    """

    __slots__ = (
        "_began", "_left", "_log", "_over", "_said", "_shown", "_since", "_what",
        "problem", "since",
    )  # fmt: skip

    def __init__(
        self,
        log: logging.Logger,
        what: str,
        shown: Callable[[str], str] = str,
        *,
        began: Callable[[], object] = bool,
        over: Callable[[], str] = str,
    ) -> None:
        """`log`: where to log. `what`: what has the problem, such as `sink papertrail`. `shown`:
        makes a sentence fit to be shown, such as by hiding secrets in it. `began` is called when a
        problem begins. `over` is called when one is over that was logged; it returns what else
        there is to say of it, or nothing."""
        self.problem: str | None = None
        """The present problem; None if there is none."""
        self.since: float | None = None
        """Since when there has been one without a break, in seconds since the epoch."""
        self._began, self._over = began, over
        self._log = log
        self._what = what
        self._shown = shown
        self._said = False
        self._left = float(OFTEN)
        self._since = time.monotonic()

    def __call__(self, problem: str | None) -> None:
        """Reports the present state: a sentence that says what is wrong, or None."""
        problem = self._shown(problem) if problem else None
        since, now = self.since, time.time()
        self.since = (since or now) if problem else None
        if problem and since is None:
            self._began()
        if problem and not self._said and self._may_be_said():
            self._log.warning("%s: %s; retrying", self._what, problem)
            self._said = True
        elif not problem and self._said:
            self._said = False
            lasted = elapsed(now - (since or now))
            told = f"{lasted}: {more}" if (more := self._over()) else lasted
            self._log.info("%s: back to normal after %s", self._what, told)
        self.problem = problem

    def _may_be_said(self) -> bool:
        now = time.monotonic()
        self._left = min(float(OFTEN), self._left + (now - self._since) / EVERY)
        self._since = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
