"""Logs a failing disk once when it starts to fail, and once when it works again."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from pipeline.support.elapsed import elapsed

log = logging.getLogger(__name__)


class DiskFault:
    """One kind of failure of a spool: it can't be written, or it can't be read."""

    def __init__(self, folder: Path, what: str, consequence: str) -> None:
        """`what`: what fails, "written" or "read". `consequence`: what happens meanwhile."""
        self.problem: str | None = None
        """What is wrong, in a sentence for users; None while everything works."""
        self._since = 0.0
        self._folder = folder
        self._what = what
        self._consequence = consequence

    def begin(self, error: Exception) -> None:
        """Call this after each failure. Only the first one is logged."""
        why: object = error.strerror if isinstance(error, OSError) else error
        if isinstance(error, MemoryError):
            why = "not enough memory"
        problem = f"the spool {self._folder} cannot be {self._what} ({why}): {self._consequence}"
        if not self.problem:
            log.warning("%s", problem)
            self._since = time.monotonic()
        self.problem = problem

    def end(self) -> None:
        """Call this after each success. Only the first one after a failure is logged."""
        if self.problem:
            lasted = elapsed(time.monotonic() - self._since)
            log.info("the spool %s can be %s again, after %s", self._folder, self._what, lasted)
        self.problem = None
