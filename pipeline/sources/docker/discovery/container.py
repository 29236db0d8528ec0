"""A container that is followed: its facts, its counters, and the lanes for its entries."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any

from prometheus_client import Counter as Series

from pipeline.accounting.offsets import NOTHING, Offsets
from pipeline.model.acknowledgement import Acknowledgement
from pipeline.model.batch import Batch, text_size
from pipeline.model.container import Container, EntryKind
from pipeline.model.errors import EngineError
from pipeline.model.metrics import Metrics
from pipeline.sources.docker.discovery.facts import from_inspect
from pipeline.sources.docker.discovery.last_lines import LastLines
from pipeline.sources.docker.discovery.rotation import Rotation, read_rotation
from pipeline.sources.docker.engine.client import Engine
from pipeline.topology import ContainerLanes, Router

log = logging.getLogger(__name__)

MOST_GAPS = 20
"""Gaps of one log that are remembered."""

Learned = Callable[["FollowedContainer", Container, Mapping[str, Any]], None]
"""Called with each inspection that took effect: the container, its facts before, and the Engine's
answer. The answer is empty when the container has ended since it was asked for."""
Inspected = Callable[[str, Mapping[str, Any], float], None]
"""Called with each inspection that could be read: the container's id, the Engine's answer, and when
that was asked for, by the agent's clock."""


class FollowedContainer:
    """A container from the first sign of it to its removal.

    Holds its facts (as the Engine tells them by now) and its lanes (as the routes select them by
    now). It does not know what reads its log.
    """

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
        inspected: Inspected = lambda container_id, answer, asked: None,
    ) -> None:
        """Binds its lanes at once.

        `offsets` are the sinks' positions in its log. `learned` is called with each inspection that
        took effect, `inspected` with each that there is. `last_lines` is how many lines to keep for
        the event of its end.
        """
        self.facts = facts
        """Id, name, image, labels. Never changed: a rename or an inspection replaces the object."""
        self.offsets = offsets
        self.sequence = NOTHING
        """Number of the last log entry that was given to its lanes, or was settled before the
        agent's start."""
        self.resumed = NOTHING
        """Number of the last log entry that was settled before the agent's start."""
        self.happened = 0
        """Number of its last event entry."""
        self.readings = 0
        """Number of its last stats entry."""
        self.ends = 0
        """How many times it was seen to end."""
        self.rotation: Rotation | None = None
        """How the Engine rotates its log. None when that is not known yet, or the log is never
        rotated."""
        self.last_lines = LastLines(last_lines)
        self.gaps: Sequence[tuple[float, str]] = ()
        """Where its log has gaps: when that was noticed (seconds since the epoch), and why. The
        last `MOST_GAPS`."""
        self._router = router
        self._engine = engine
        self._metrics = metrics
        self._learned = learned
        self._inspected = inspected
        self._bound: list[ContainerLanes] = []
        """Lanes of its log: the current ones, and earlier ones that still wait for room in a
        buffer."""
        self._lanes: Mapping[EntryKind, ContainerLanes] = {}
        self._received: tuple[Series, Series] | None = None
        """Entries and bytes of its log that were read, by its name; None before it is read."""
        self.bind()

    # ------------------------------------------------------------------------------- lanes

    def bind(self) -> None:
        """Binds new lanes for all its entries, because its name, image or labels changed. Old lanes
        end.
        """
        for old in self._lanes.values():
            old.end()
        self._lanes = {}
        self.rebind()

    def rebind(self) -> None:
        """Binds lanes for routes that were added or changed. Lanes of other routes stay."""
        self._lanes = lanes = self._router.bind(
            self.facts, self.offsets, self.sequence, self._lanes
        )
        self.logs, self.events, self.stats = lanes["logs"], lanes["events"], lanes["stats"]
        self._bound = [*(one for one in self._bound if one.busy), self.logs]

    def distribute(self, batch: Batch, ack: Acknowledgement) -> Coroutine[Any, Any, None] | None:
        """Gives a batch of its log to its lanes.

        None when it is in all sinks' buffers. Otherwise await the coroutine that is returned: it
        ends when the batch has found room. Calls must not overlap. `ack` is settled by the sinks.
        Raises `MemoryError`, as the coroutine does.
        """
        self.sequence = batch.sequences[-1]
        if self.events:
            self.last_lines.note(batch)
        return self.logs.start(batch, ack)

    def start_counting(self) -> None:
        """Makes the series of what is read from its log, under its present name.

        Called when the log is to be read. A container whose log isn't read has no series."""
        name, metrics = self.facts.name, self._metrics
        self._received = metrics.received.labels(name), metrics.received_bytes.labels(name)

    def count(self, batch: Batch) -> None:
        """Counts lines of its log that were read, under the name that it has by now."""
        if self._received is None:
            raise RuntimeError("`start_counting` was not called")
        entries, size = self._received
        entries.inc(len(batch.lines))
        size.inc(text_size(batch.lines))

    def note_gap(self, why: str) -> None:
        """Notes that lines of its log may be missing at this point."""
        self.gaps = (*self.gaps, (time.time(), why))[-MOST_GAPS:]

    def run_ended(self) -> None:
        """Says that the container ended: what a stage still joins is finished, so that nothing of
        the next run is joined to it.
        """
        self.logs.flush(math.inf)

    def abandon(self, reason: str) -> None:
        """Drops the batches that wait for room in a sink's buffer, counted with this reason."""
        for lanes in self._bound:
            lanes.abandon(reason)

    @property
    def busy(self) -> bool:
        """Whether a batch of its log waits for room in a buffer, or to go through its lanes."""
        return any(one.busy for one in self._bound)

    @property
    def unsettled(self) -> int:
        """How many batches of its log the fastest of its sinks has not settled."""
        return self.offsets.unsettled

    # ------------------------------------------------------------------------------- facts

    def rename(self, name: str) -> None:
        """Changes its name, and binds its lanes anew."""
        self.change(replace(self.facts, name=name))

    def change(self, facts: Container) -> None:
        """Replaces its facts. Lanes are bound anew when the name, the image or a label changed."""
        old, self.facts = self.facts, facts
        fixed = (facts.name, facts.image, dict(facts.labels))
        if fixed != (old.name, old.image, dict(old.labels)):
            self.bind()
        if facts.name != old.name and self._received is not None:
            self.start_counting()

    async def learn(self) -> bool | None:
        """Inspects the container and takes over the facts.

        Returns whether the container runs, or None when it is being removed or the Engine gave no
        usable answer. Never raises `EngineError`: without an answer the container keeps its facts.
        A rename or an end that came while the Engine was answering takes precedence over the
        answer.

        https://docs.docker.com/reference/api/engine/version/v1.45/#operation/ContainerInspect
        """
        before, ends, asked = self.facts, self.ends, time.time()
        try:
            answer = await self._engine.get(f"/containers/{before.id}/json")
            facts = from_inspect(answer, self._engine.host)
            self.rotation = read_rotation(answer)
        except EngineError:
            return None
        except (LookupError, TypeError, AttributeError) as error:
            log.warning("cannot understand the inspection of %s: %r", before.name, error)
            return None
        self._inspected(facts.id, answer, asked)
        if self.facts is not before:
            facts = replace(facts, name=self.facts.name)
        old = self.facts
        self.change(facts)
        self._learned(self, old, answer if self.ends == ends else {})
        if (task := asyncio.current_task()) is not None and task.cancelling():
            await asyncio.sleep(0)  # it turned out not to be followed: no line must be read
        state = answer.get("State") or {}
        if state.get("Dead") or state.get("Status") == "removing":
            return None
        return bool(state.get("Running")) and self.ends == ends
