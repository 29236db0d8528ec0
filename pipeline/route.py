"""Routes, and the lanes they have for each container.

Matching is done once per container, when its lanes are bound, and never per line.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from prometheus_client import Counter

from pipeline.batch import Batch, Container, Source
from pipeline.component import Stage
from pipeline.metrics import Metrics
from pipeline.ratelimit import RateLimit

log = logging.getLogger(__name__)


class Outlet(Protocol):
    """What a lane puts into: a sink's buffer."""

    def offer(self, batch: Batch) -> bool:
        """False when the batch has to wait for room; then it was not taken."""

    async def put(self, batch: Batch) -> None:
        """Waits for room."""


@dataclass(frozen=True)
class Route:
    """A way from containers, through stages, to sinks."""

    name: str
    sources: frozenset[Source]
    takes: Callable[[Container], bool]
    stages: Sequence[tuple[str, Stage]]
    outlets: Sequence[Outlet]


class Lane:
    """A route bound to one container. Its stages' state lives here."""

    def __init__(self, route: Route, container: Container, metrics: Metrics) -> None:
        self.route = route
        self._steps: list[tuple[str, Stage, Counter]] = [
            (name, stage.bind(container), metrics.filtered.labels(route.name, name))
            for name, stage in route.stages
        ]
        self._errors = metrics.stage_errors
        self._bugs = RateLimit()

    def process(self, batch: Batch) -> Batch | None:
        """What is left of a batch after all stages."""
        if self._steps and batch.fields is not None:
            batch = batch.replace(fields=[dict(fields) for fields in batch.fields])
        for name, stage, filtered in self._steps:
            try:
                result = stage(batch)
            except Exception:  # a stage never raises for bad data: this is a bug in it
                if self._bugs():
                    log.exception("stage %s of route %s failed: skipped", name, self.route.name)
                self._errors.labels(self.route.name, name).inc()
                continue
            if result is None:
                filtered.inc(len(batch))
                return None
            if len(result) < len(batch):
                filtered.inc(len(batch) - len(result))
            batch = result
        return batch


class Router:
    """Binds lanes."""

    def __init__(self, routes: Sequence[Route], metrics: Metrics) -> None:
        self._routes = routes
        self._metrics = metrics

    def lanes(self, container: Container, source: Source) -> list[Lane]:
        return [
            Lane(route, container, self._metrics)
            for route in self._routes
            if source in route.sources and route.takes(container)
        ]


async def distribute(lanes: Iterable[Lane], batch: Batch) -> None:
    """Takes a batch through all lanes and into their sinks' buffers.

    Buffers with room get it first, and full ones are waited for together, so that one which makes
    us wait delays no other. Each place holds the batch's acknowledgement; the caller settles its
    own hold afterwards, and does not if this was cancelled: an entry that never reached a buffer
    must be read again.
    """
    waiting: list[tuple[Outlet, Batch]] = []
    receipt = batch.acknowledgement
    for lane in lanes:
        left = lane.process(batch)
        if left is None:
            continue
        for outlet in lane.route.outlets:
            receipt.hold()
            try:
                taken = outlet.offer(left)
            except BaseException:
                receipt.settle()
                raise
            if not taken:
                waiting.append((outlet, left))
    if len(waiting) == 1:
        ((outlet, left),) = waiting
        await outlet.put(left)
    elif waiting:
        async with asyncio.TaskGroup() as tasks:
            for outlet, left in waiting:
                tasks.create_task(outlet.put(left), name="put")


def offer(lanes: Iterable[Lane], batch: Batch) -> int:
    """Like `distribute`, without ever waiting: for what is worthless when it is late.

    Returns how many buffers had no room; those do not get it.
    """
    refused = 0
    for lane in lanes:
        left = lane.process(batch)
        if left is not None:
            refused += sum(not outlet.offer(left) for outlet in lane.route.outlets)
    return refused
