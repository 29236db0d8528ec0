"""One container, as the source knows it: its facts, and the lanes that its entries go through."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from pipeline import native
from pipeline.accounting.acks import NOTHING, Offsets
from pipeline.model.acknowledgement import Acknowledgement
from pipeline.model.batch import Batch
from pipeline.model.container import Container, Source
from pipeline.model.errors import EngineError
from pipeline.model.metrics import Metrics
from pipeline.sources.docker.discovery.facts import from_inspect
from pipeline.sources.docker.discovery.last_lines import LastLines
from pipeline.sources.docker.discovery.rotation import Rotation, read_rotation
from pipeline.sources.docker.engine.client import Engine
from pipeline.topology import ContainerLanes, Router

log = logging.getLogger(__name__)

Learned = Callable[["FollowedContainer", Container, Mapping[str, Any]], None]
"""Told of each inspection that took effect: the container, its facts before, and the Engine's
answer; empty where the answer may be of a run that has ended since it was asked for."""


class FollowedContainer:
    """From its first sign to its removal. Knows nobody who reads of it."""

    def __init__(
        self,
        facts: Container,
        router: Router,
        engine: Engine,
        metrics: Metrics,
        offsets: Offsets,
        learned: Learned,
        *,
        last_lines: int = 0,
    ) -> None:
        """`offsets`: of the sinks in its log. `last_lines`: how many to keep for when it ends."""
        self.facts = facts
        """As they are by now: a rename makes others."""
        self.offsets = offsets
        self.sequence = NOTHING
        """Number of the last entry of its log that went to its lanes, or was settled before."""
        self.happened = 0
        """Number of its events."""
        self.readings = 0
        """Number of readings of its stats."""
        self.ends = 0
        """How often it was seen to end."""
        self.rotation: Rotation | None = None
        """How the Engine rotates its log, as far as that was learned."""
        self.last_lines = LastLines(last_lines)
        self._router = router
        self._engine = engine
        self._metrics = metrics
        self._learned = learned
        self._bound: list[ContainerLanes] = []
        """Lanes of its logs: those there are, and earlier ones with which somebody waits."""
        self._lanes: Mapping[Source, ContainerLanes] = {}
        self._count_as(facts.name)
        self.bind()

    def _count_as(self, name: str) -> None:
        self._received = self._metrics.received.labels(name)
        self._received_bytes = self._metrics.received_bytes.labels(name)

    # ------------------------------------------------------------------------------- lanes

    def bind(self) -> None:
        """Its lanes from now on: the container is another one than before."""
        for old in self._lanes.values():
            old.end()
        self._lanes = {}
        self.rebind()

    def rebind(self) -> None:
        """Its lanes from now on: some routes are others than before. Lanes of the rest stay."""
        self._lanes = lanes = self._router.bind(
            self.facts, self.offsets, self.sequence, self._lanes
        )
        self.logs, self.events, self.stats = lanes["logs"], lanes["events"], lanes["stats"]
        self._bound = [*(one for one in self._bound if one.busy), self.logs]

    async def distribute(self, batch: Batch, ack: Acknowledgement) -> None:
        """Takes lines of its log through its lanes; returns when all of them have found room in the
        sinks' buffers. Called for one batch after the other. Raises `MemoryError`."""
        self.sequence = batch.sequences[-1]
        if self.events:
            self.last_lines.note(batch)
        await self.logs.distribute(batch, ack)

    def count(self, batch: Batch) -> None:
        """Lines of its log were read."""
        self._received.inc(len(batch))
        self._received_bytes.inc(native.total(batch.lines))

    def run_ended(self) -> None:
        """What comes next is of another run of the container: nothing is joined to this one's."""
        self.logs.flush(math.inf)

    def abandon(self, reason: str) -> None:
        """Gives up what waits for room in a sink's buffer."""
        for lanes in self._bound:
            lanes.abandon(reason)

    @property
    def unsettled(self) -> int:
        """Batches of its log that the quickest of its sinks has not settled."""
        return self.offsets.unsettled

    # ------------------------------------------------------------------------------- facts

    def rename(self, name: str) -> None:
        self.change(replace(self.facts, name=name))

    def change(self, facts: Container) -> None:
        """Other facts, such as a new name. Lanes are bound anew where that can matter."""
        old, self.facts = self.facts, facts
        fixed = (facts.name, facts.image, dict(facts.labels))
        if fixed != (old.name, old.image, dict(old.labels)):
            self.bind()
        if facts.name != old.name:
            self._count_as(facts.name)

    async def learn(self) -> bool | None:
        """Takes over the facts of an inspection; whether they say that the container runs, None
        where it is being removed, or there is no answer to tell. Never raises: where there are no
        facts, the container keeps those it has. What it has become while the Engine was answering
        counts for more."""
        before, ends = self.facts, self.ends
        try:
            answer = await self._engine.get(f"/containers/{before.id}/json")
            facts = from_inspect(answer, self._engine.host)
            self.rotation = read_rotation(answer)
        except EngineError:
            return None
        except (LookupError, TypeError, AttributeError) as error:
            log.warning("inspecting %s gives no container: %r", before.name, error)
            return None
        if self.facts is not before:
            facts = replace(facts, name=self.facts.name)
        old = self.facts
        self.change(facts)
        self._learned(self, old, answer if self.ends == ends else {})
        state = answer.get("State") or {}
        if state.get("Dead") or state.get("Status") == "removing":
            return None
        return bool(state.get("Running")) and self.ends == ends
