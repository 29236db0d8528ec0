"""From a log's decoded lines to its container's lanes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

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
"""Seconds after which lines are handed out again for which there was not enough memory."""
MOST_SHORTAGES = 60
"""How often."""


class Distributor:
    """Of one log. Each method returns when what came of the lines has found room in the sinks'
    buffers, and nothing but cancelling keeps it from that: whatever a lane raises is counted and
    said, and the next lines do not suffer for it."""

    def __init__(
        self, container: FollowedContainer, batcher: Batcher, report: LogReport, metrics: Metrics
    ) -> None:
        self.batcher = batcher
        self.busy = False
        """Lines are on their way to the buffers."""
        self.afterwards: Callable[[], object] | None = None
        """To be called once when these are settled."""
        self._container = container
        self._report = report
        self._bugs = metrics.source_errors.labels("bug")

    async def take(self, decoded: DecodedLines) -> Batch | None:
        """Lines that a decoder has just given. Returns what was new of them, if any."""
        return await self._hand_out(self.batcher.take(decoded, self._container.facts))

    async def take_rest(self, *, whole: bool) -> None:
        """Nothing more comes of what was opened: see `Batcher.take_rest`."""
        await self._hand_out(self.batcher.take_rest(self._container.facts, whole=whole))

    async def take_unfinished(self, decoded: DecodedLines) -> None:
        """Lines that were still open at the container's end."""
        await self._hand_out(self.batcher.take_unfinished(decoded, self._container.facts))

    async def end_with_gap(self, why: str) -> None:
        """Lines may be missing at the log's end: see `Batcher.gap_at_end`."""
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
        self._report.untroubled()
        self._container.count(it.batch)
        self.busy = True
        try:
            await self._distribute(it.batch, it.ack)
            it.ack.settle()
        finally:
            self.busy = False
            if self.afterwards is not None:
                self.afterwards()
                self.afterwards = None
        return it.batch

    async def _distribute(self, batch: Batch, ack: Acknowledgement) -> None:
        """Tries again where there is not enough memory: sinks that have some of it by then get
        that once more."""
        try:
            for _ in range(MOST_SHORTAGES):
                try:
                    await self._container.distribute(batch, ack)
                    return
                except MemoryError:
                    said = "there is not enough memory; allow the agent more"
                    self._report.trouble("memory", said)
                await asyncio.sleep(SHORTAGE)
            await self._container.distribute(batch, ack)
        except Exception:  # a bug
            self._bugs.inc()
            count, name = len(batch), self._container.facts.name
            log.exception("lost %d %s of %s", count, plural(count, "line"), name)
