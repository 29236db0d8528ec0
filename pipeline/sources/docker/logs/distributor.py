"""Hands the lines of a log to its container's lanes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from pipeline.model.acknowledgement import Acknowledgement
from pipeline.model.batch import Batch
from pipeline.model.metrics import Metrics
from pipeline.sources.docker.decode.decoded import DecodedLines
from pipeline.sources.docker.discovery.container import FollowedContainer
from pipeline.sources.docker.logs.batcher import Batcher, Numbered
from pipeline.sources.docker.logs.report import LogReport
from pipeline.support.plural import plural

log = logging.getLogger(__name__)

SHORTAGE = 1.0
"""Seconds to wait before lines are handed out again, when memory ran out."""
MOST_SHORTAGES = 60
"""How many times that is tried."""


class Distributor:
    """Hands out the lines of one log.

    Calls must not overlap. Each returns when its lines have found room in all sinks' buffers.
    Errors of a lane are counted and logged, not raised: later lines are handed out all the same.
    """

    def __init__(
        self, container: FollowedContainer, batcher: Batcher, report: LogReport, metrics: Metrics
    ) -> None:
        """`batcher` numbers the lines, `report` takes gaps and errors."""
        self.batcher = batcher
        self.busy = False
        """Whether lines are being handed out."""
        self.afterwards: Callable[[], object] | None = None
        """Called once, when these lines were handed out. Set it while `busy`."""
        self._container = container
        self._report = report
        self._bugs = metrics.source_errors.labels("bug")

    def take(self, decoded: DecodedLines) -> Coroutine[Any, Any, Batch | None]:
        """Takes lines that a decoder has just returned. Await what it returns: those of them that
        were new; None when none were.
        """
        return self._hand_out(self.batcher.take(decoded, self._container.facts))

    async def take_rest(self, *, whole: bool) -> None:
        """Says that nothing more comes of what was opened. Hands out lines that were kept back.

        `whole`: the log was read to its end.
        """
        await self._hand_out(self.batcher.take_rest(self._container.facts, whole=whole))

    async def take_unfinished(self, decoded: DecodedLines) -> None:
        """Hands out lines that were still open when the container ended."""
        await self._hand_out(self.batcher.take_unfinished(decoded, self._container.facts))

    async def end_with_gap(self, why: str) -> None:
        """Reports that lines may be missing at the log's end. `why` is the reason."""
        await self._hand_out(self.batcher.gap_at_end(why))

    async def _hand_out(self, it: Numbered | None) -> Batch | None:
        if it is None:
            return None
        if it.gap is not None:
            self._report.gap(it.gap)
        if it.doubtful_from is not None:
            self._container.offsets.doubt(it.doubtful_from)
        if it.batch is None:
            return None
        if self._report.said:
            self._report.untroubled()
        self._container.count(it.batch)
        self.busy = True
        try:
            await self._distribute(it.batch, it.ack)
            it.ack.settle()
        finally:
            self.busy = False
            ended, self.afterwards = self.afterwards, None
        if ended is not None:
            ended()
            await asyncio.sleep(0)  # a task that was cancelled ends here, and reads no other lines
        return it.batch

    async def _distribute(self, batch: Batch, ack: Acknowledgement) -> None:
        """Tries again when memory ran out. Sinks that have some of the lines by then get them
        twice.
        """
        try:
            for shortages in range(MOST_SHORTAGES + 1):
                try:
                    rest = self._container.distribute(batch, ack)
                    if rest is not None:
                        await rest
                    return
                except MemoryError:
                    if shortages == MOST_SHORTAGES:
                        raise
                    said = "there is not enough memory; allow the agent more"
                    self._report.trouble("memory", said)
                await asyncio.sleep(SHORTAGE)
        except Exception:  # a bug
            self._bugs.inc()
            count, name = len(batch), self._container.facts.name
            log.exception("lost %d %s of %s", count, plural(count, "line"), name)
