"""Reports errors and gaps in the reading of one container's log, to the agent's log and metrics."""

from __future__ import annotations

import logging

from pipeline.model.metrics import Metrics
from pipeline.sources.docker.discovery.container import FollowedContainer
from pipeline.sources.docker.logs.batcher import Gap

log = logging.getLogger(__name__)


class LogReport:
    """Reports on the log of one container."""

    def __init__(self, container: FollowedContainer, metrics: Metrics) -> None:
        self._container = container
        self._errors = metrics.source_errors
        self._gaps = metrics.log_gaps
        self.said = ""
        """The last error that was logged; empty after lines were read."""

    def trouble(self, kind: str, said: str) -> None:
        """Counts an error, and logs it unless it is the same as the last one.

        `kind` is the label `kind` of `dockline_source_errors_total`; `said` is a sentence.
        """
        self._errors.labels(kind).inc()
        if said != self.said:
            self.said = said
            log.warning("logs of %s: %s", self._container.facts.name, said)

    def untroubled(self) -> None:
        """Says that the log can be read again: the next error is logged, even if it is the same."""
        self.said = ""

    def gap(self, gap: Gap) -> None:
        """Counts and logs that lines may be missing."""
        self.said, name = "", self._container.facts.name
        self._gaps.labels(name).inc()
        self._container.note_gap(gap.why)
        log.warning(
            "logs of %s: lines between %s and %s may be lost: %s",
            name,
            gap.since or "its beginning",
            gap.until.decode() or "its end",
            gap.why,
        )

    def maybe_missed(self) -> None:
        """Counts a log that gave nothing, without a warning.

        Either the container wrote nothing, or its log was removed just before it was opened. Most
        containers that live so briefly write nothing.
        """
        self._errors.labels("maybe_missed").inc()
