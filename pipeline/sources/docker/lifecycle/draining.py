"""Removed containers whose last lines still wait for room in a sink's buffer."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

from pipeline.model.metrics import Metrics
from pipeline.sources.docker.lifecycle.followed import Followed
from pipeline.support.plural import plural
from pipeline.support.rate_limit import RateLimit

log = logging.getLogger(__name__)

MOST = 1000
"""Most removed containers that wait at once.

A sink that blocks leaves lines with the Engine, but the lines of a removed container are only in
memory, and a host may go on making short-lived containers for as long as the sink is away."""


class Draining:
    """Waits for the followers of removed containers to end.

    Beyond `MOST` containers it gives up the oldest, with a warning, and counts it (`abandoned` in
    `dockline_source_errors_total`). Iterating gives the containers that wait.
    """

    def __init__(self, metrics: Metrics, ended: Callable[[Followed], None]) -> None:
        """`ended` is called with each container whose follower has ended, once."""
        self._errors = metrics.source_errors
        self._on_ended = ended
        self._waiting: dict[Followed, None] = {}
        self._given_up = RateLimit()

    def add(self, followed: Followed) -> None:
        """Takes a removed container. Its follower was told to stop already (`Follower.stop`).

        Calls `ended` at once when it has no follower's task.
        """
        if followed.task is None:
            self._on_ended(followed)
            return
        self._waiting[followed] = None
        followed.task.add_done_callback(lambda task: self._ended(followed))
        if len(self._waiting) > MOST:
            self._give_up(next(iter(self._waiting)))

    def __iter__(self) -> Iterator[Followed]:
        """The containers that wait, oldest first: a snapshot."""
        return iter(list(self._waiting))

    def _ended(self, followed: Followed) -> None:
        self._waiting.pop(followed, None)
        self._on_ended(followed)

    def _give_up(self, followed: Followed) -> None:
        del self._waiting[followed]
        self._errors.labels("abandoned").inc()
        if count := self._given_up():
            log.warning(
                "%d removed %s given up, the last one %s: no sink took the last lines, and those "
                "of %d more wait in memory",
                count,
                plural(count, "container is", "containers are"),
                followed.facts.name,
                MOST,
            )
        followed.container.abandon("abandoned")
        if followed.task is not None:
            followed.task.cancel()
