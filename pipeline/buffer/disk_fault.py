"""What is wrong with a spool's disk, in a sentence, and said when it begins and when it ends."""

from __future__ import annotations

import logging
from pathlib import Path

log = logging.getLogger(__name__)


class Trouble:
    """Of one kind: that it cannot be written, or not read."""

    def __init__(self, folder: Path, what: str, consequence: str) -> None:
        """`what` cannot be done, and therefore: `consequence`."""
        self.problem: str | None = None
        self._folder = folder
        self._what = what
        self._consequence = consequence

    def begin(self, error: Exception) -> None:
        """Something has failed, perhaps again."""
        why: object = error.strerror if isinstance(error, OSError) else error
        if isinstance(error, MemoryError):
            why = "not enough memory"
        problem = f"the spool {self._folder} cannot be {self._what} ({why}): {self._consequence}"
        if not self.problem:
            log.warning("%s", problem)
        self.problem = problem

    def end(self) -> None:
        """Everything works."""
        if self.problem:
            log.warning("the spool %s can be %s again", self._folder, self._what)
        self.problem = None
