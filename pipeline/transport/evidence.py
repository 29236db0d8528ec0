"""What a destination has taken and refused so far: evidence for whether an entry is bad."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from time import monotonic

from pipeline.model.batch import Batch


class Evidence:
    """What one sink's destination has taken and failed at, of any payload; and which containers
    have had bad entries. Whether one is bad shows by what others are answered (`split_retry`)."""

    FRESH = 10.0
    """Seconds for which a request that was taken counts as just now."""
    REMEMBERED = 600.0
    """Seconds from a container's last bad entry for which it is remembered."""
    MOST = 1000
    """Containers that are remembered."""

    def __init__(self) -> None:
        self.taken = 0
        """How many requests it has taken."""
        self.failed = 0
        """How many it has failed at, but for those of single entries that are suspected."""
        self._taken_at = -inf
        self._had_bad: dict[str, float] = {}
        """When last, the longest ago first."""

    def took(self) -> None:
        """The destination has taken a request."""
        self.taken += 1
        self._taken_at = monotonic()

    def note_bad(self, container: str) -> None:
        """An entry of the container with this id was rejected while others were taken."""
        self._had_bad.pop(container, None)
        if len(self._had_bad) >= self.MOST:
            del self._had_bad[next(iter(self._had_bad))]
        self._had_bad[container] = monotonic()

    def expects_bad(self, batches: Sequence[Batch]) -> bool:
        """Whether all of them are of containers that have had bad entries in the last `REMEMBERED`
        seconds, while others were taken in the last `FRESH` seconds. Those that flood a sink with
        nothing but bad entries need not be tried against others each time."""
        now = monotonic()
        if not self._had_bad or now - self._taken_at > self.FRESH:
            return False
        since = now - self.REMEMBERED
        return all(self._had_bad.get(batch.container.id, -inf) > since for batch in batches)
