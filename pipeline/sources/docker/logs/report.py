"""What is said of the reading of one container's log: in the agent's own log and in its metrics."""

from __future__ import annotations

import logging

from pipeline.model.metrics import Metrics
from pipeline.sources.docker.discovery.container import FollowedContainer
from pipeline.sources.docker.logs.batcher import Gap

log = logging.getLogger(__name__)


class LogReport:
    """Of one container's log."""

    def __init__(self, container: FollowedContainer, metrics: Metrics) -> None:
        self._container = container
        self._errors = metrics.source_errors
        self._gaps = metrics.log_gaps
        self._said = ""
        """The trouble that was told of last, until there are lines again."""

    def trouble(self, kind: str, said: str) -> None:
        """Counts it as `kind`, and says it once."""
        self._errors.labels(kind).inc()
        if said != self._said:
            self._said = said
            log.warning("logs of %s: %s", self._container.facts.name, said)

    def untroubled(self) -> None:
        """What is said next is news, even if it was said before."""
        self._said = ""

    def gap(self, gap: Gap) -> None:
        """Lines may be missing."""
        self._said, name = "", self._container.facts.name
        self._gaps.labels(name).inc()
        log.warning(
            "logs of %s: lines between %s and %s may be lost: %s",
            name,
            gap.since or "its beginning",
            gap.until.decode() or "its end",
            gap.why,
        )

    def maybe_missed(self) -> None:
        """The log gave nothing: either the container wrote nothing, or the log was removed a moment
        before it was opened. Counted without a warning: most that live so briefly write nothing."""
        self._errors.labels("maybe_missed").inc()
