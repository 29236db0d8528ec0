"""Logs a failing disk once when it starts to fail, and once when it works again."""

from __future__ import annotations

import logging
from pathlib import Path

log = logging.getLogger(__name__)


class DiskFault:
    """One kind of failure of a spool: it can't be written, or it can't be read."""

    def __init__(self, folder: Path, what: str, consequence: str) -> None:
        """`what`: what fails, "written" or "read". `consequence`: what happens meanwhile."""
        self.problem: str | None = None
        """What is wrong, in a sentence for users; None while everything works."""
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
        self.problem = problem

    def end(self) -> None:
        """Call this after each success. Only the first one after a failure is logged."""
        if self.problem:
            log.warning("the spool %s can be %s again", self._folder, self._what)
        self.problem = None
