"""One sink of the configuration with everything in front of it: buffer, delivery, dead letters."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from pipeline.accounting.envelope import Envelope
from pipeline.accounting.ledger import Ledger, SinkAccount
from pipeline.buffer import MemoryBuffer, SpooledBuffer
from pipeline.buffer.columns import Origin
from pipeline.buffer.folders import folder_of
from pipeline.model import registry
from pipeline.model.batch import Batch
from pipeline.model.component import SinkConfig, SinkContext
from pipeline.model.metrics import Metrics
from pipeline.model.timestamps import to_seconds
from pipeline.support.plural import plural
from pipeline.support.rate_limit import RateLimit
from pipeline.topology.delivery import Delivery
from pipeline.topology.outage import Outage
from pipeline.topology.tap import Tap

log = logging.getLogger(__name__)

LOOK = 0.05
"""Seconds between checks whether a sink that is being replaced has finished."""

PATIENCE = 1.0
"""Seconds that a refused entry waits for room in the dead-letter sink's buffer."""


class SinkNow(msgspec.Struct, omit_defaults=True):
    """A sink's state, as `GET /top` shows it."""

    name: str
    type: str
    problem: str = ""
    """Why the last attempt to send failed, or what is wrong with the disk; empty if all is well."""
    delivered: int = 0
    delivered_bytes: int = 0
    retried: int = 0
    dead_lettered: int = 0
    dropped: dict[str, int] = {}
    """Entries by reason."""
    memory: int = 0
    """Bytes in the buffer's memory. All sizes of buffers are in bytes."""
    memory_limit: int = 0
    disk: int = 0
    disk_limit: int = 0
    entries: int = 0
    """Entries in the buffer, in memory and on disk."""
    blocked: int = 0
    """Entries that were read and wait for room in the buffer."""
    lag: float = 0.0
    """Age in seconds of the oldest entry that isn't delivered."""
    problem_since: float | None = None
    """When the attempts to send began to fail, in seconds since the epoch."""


class Output:
    """A sink's buffer, where lanes put batches, and the delivery that empties it.

    `offer` and `put` are the buffer's own (see `pipeline.topology.route.TakesBatches`). Calls come
    from the event loop, except `successor`.
    """

    def __init__(
        self,
        config: SinkConfig,
        context: SinkContext,
        metrics: Metrics,
        ledger: Ledger,
        state: Path = Path(),
        tap: Tap | None = None,
    ) -> None:
        """`config`: of this sink. `context`: its name and what it may know of the agent. `state`:
        the state directory, where a sink with `buffer.disk` keeps its spool. Opens nothing yet."""
        self.name = context.name
        self._context = context
        self._metrics = metrics
        self._ledger = ledger
        self.config = config
        self.dead_letter: Output | None = None
        """The sink that takes what this one's destination refuses. Set once all outputs exist."""
        self._letters_wait = True
        """False after a dead letter waited in vain, until there is room again: then others don't
        wait."""
        self._dropped, self._drops = metrics.dropped, RateLimit()
        self._tap = tap = tap or Tap()
        self.spool: SpooledBuffer | None = None
        """The buffer if it has a disk; None otherwise."""
        self.buffer: MemoryBuffer | SpooledBuffer
        if config.buffer.disk:
            folder = folder_of(state, context.name)
            self.buffer = self.spool = SpooledBuffer(
                config.buffer, folder, self._drop, self._lose, self._account_of
            )
        else:
            self.buffer = MemoryBuffer(config.buffer, self._drop)
        self._outage = Outage(self.buffer)
        self.delivery = self.successor(config)
        self._next: Delivery | None = None
        """The delivery that takes over next."""
        self._delivering: asyncio.Task[None] | None = None
        self.offer = self.buffer.offer
        self.put = self.buffer.put

    def successor(self, config: SinkConfig) -> Delivery:
        """Makes the delivery for another configuration of the sink; `replace` starts it.

        Any thread may call this. Raises `DocklineError` where the configuration can't be used.
        """
        sink = registry.implementation("sinks", config.type)(config, self._context)
        return Delivery(
            self.name,
            sink,
            self.buffer,
            config,
            self._metrics,
            self._bury,
            self._tap,
            self._outage,
        )

    async def run(self) -> None:
        """Delivers until the buffer is closed and empty, with one sink after the other."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._delivering = tasks.create_task(self.delivery.run(), name=f"send {self.name}")
                await asyncio.wait([self._delivering])
                if self._next is None:
                    return
                self.delivery, self._next = self._next, None
                self.buffer.resume()

    async def replace(self, config: SinkConfig, successor: Delivery, patience: float) -> None:
        """Hands over to the sink of another configuration; `successor` was made for it.

        The present sink finishes what it has taken from the buffer, within `patience` seconds,
        unless its destination fails. The new sink delivers everything else, including what the old
        one took and couldn't deliver.
        """
        self.config = config
        self.buffer.configure(config.buffer)
        self._next = successor
        self.buffer.suspend()
        delivery, delivering = self.delivery, self._delivering  # `run` replaces them
        if delivering is None:  # `run` has not started
            return
        until = asyncio.get_running_loop().time() + patience
        while not (await asyncio.wait([delivering], timeout=LOOK))[0]:
            if delivery.problem or asyncio.get_running_loop().time() >= until:
                delivering.cancel()
                await asyncio.wait([delivering])

    def discard(self, reason: str) -> None:
        """Call this when the sink is gone and its tasks have ended.

        What isn't delivered stays on disk, or is dropped with this reason, like all that still
        comes.
        """
        for account, entries in self.buffer.discard(reason).items():
            account.left += entries

    def _drop(self, envelope: Envelope, policy: str) -> None:
        entries = envelope.entries
        if count := self._drops(entries):
            log.warning("sink %s: entries dropped: %d (%s)", self.name, count, policy)
        self._dropped.labels(self.name, policy).inc(entries)
        self._outage.drop(entries, policy)
        envelope.account.drop(entries, policy)
        if self._tap.tappers:
            self._tap.dropped(envelope.batch, self.name, policy)
        envelope.ack.settle()

    def _lose(self, entries: int, reason: str) -> None:
        """Counts entries that are lost on disk. They were acknowledged when they were written
        there."""
        self._dropped.labels(self.name, reason).inc(entries)
        self._outage.drop(entries, reason)
        if self._tap.tappers:
            self._tap.lost(self.name, entries, reason)
        noun = plural(entries, "entry")
        log.warning("sink %s: lost %d %s of its spool: %s", self.name, entries, noun, reason)

    def _account_of(self, origin: Origin) -> SinkAccount:
        """The account of entries that are read back from disk."""
        container_account = self._ledger.spooled(origin.container_id, origin.container_name)
        return container_account.route(origin.source, origin.route).sink(self.name)

    async def _bury(self, refused: Envelope, reason: str) -> bool:
        """Hands refused entries to the dead-letter sink, with a field that says why.

        False if it doesn't take them within `PATIENCE`, so that a bad entry never blocks the
        others.
        """
        if self.dead_letter is None:
            return False
        account = refused.account.beside(self.dead_letter.name)
        letter = Envelope(_letter(refused.batch, self.name, reason), account, refused.ack)
        refused.ack.hold()
        if await self.dead_letter.take_in(letter):
            return True
        refused.ack.settle()
        return False

    async def take_in(self, letter: Envelope) -> bool:
        """Takes a dead letter of another sink. False if there was no room for it within
        `PATIENCE`."""
        account, entries = letter.account, len(letter)
        account.letters += entries
        if self._tap.tappers:
            self._tap.passed(letter.batch, self.name)
        if self.offer(letter):
            self._letters_wait = True
            return True
        if not self._letters_wait:
            account.letters -= entries
            return False
        account.waiting += entries
        try:
            async with asyncio.timeout(PATIENCE):
                await self.put(letter)
                return True
        except TimeoutError:
            self._letters_wait = False
            account.letters -= entries
            return False
        except BaseException:
            account.letters -= entries
            raise
        finally:
            account.waiting -= entries

    @property
    def carried(self) -> int:
        """Entries on disk that an earlier run of the agent left there."""
        return self.spool.disk.carried if self.spool is not None else 0

    def now(self) -> SinkNow:
        """The sink's state without its counters, which `Observer` adds."""
        buffer, disk = self.buffer, self.spool.disk if self.spool is not None else None
        trouble = (self.spool.problem if self.spool is not None else None, self.delivery.problem)
        oldest = buffer.oldest()
        return SinkNow(
            self.name,
            self.config.type,
            "; ".join(filter(None, trouble)),
            memory=buffer.bytes,
            memory_limit=buffer.limit,
            disk=disk.bytes if disk is not None else 0,
            disk_limit=disk.limit if disk is not None else 0,
            entries=buffer.entries,
            blocked=buffer.blocked_entries,
            lag=round(max(0.0, time.time() - to_seconds(oldest)), 3) if oldest else 0.0,
            problem_since=self.delivery.problem_since,
        )

    def not_ready(self) -> str | None:
        """Why the sink can't take any more, in a sentence for `/readyz`; None if it can.

        It is ready while its destination is down as long as its buffer has room. It isn't when the
        disk fails, or when the destination answers and takes nothing several times in a row.
        """
        if self.spool is not None and self.spool.problem:
            return f"sink {self.name}: {self.spool.problem}"
        if self.delivery.problem and self.delivery.wants_mending:
            return f"sink {self.name}: {self.delivery.problem}"
        if self.delivery.problem and self.buffer.full:
            return f"sink {self.name}: {self.delivery.problem}; its buffer is full"
        return None


def _letter(batch: Batch, sink: str, reason: str) -> Batch:
    remark = {"sink": sink, "reason": reason}
    fields = batch.fields or [{} for _ in batch.lines]
    fields = [{**entry, "dead_letter": remark} for entry in fields]
    return batch.replace(fields=fields)


class OutputGauges(Collector):
    """The gauges of all sinks, read at scrape time."""

    def __init__(self, outputs: Iterable[Output]) -> None:
        """`outputs`: iterated over at each scrape."""
        self._outputs = outputs

    def collect(self) -> Iterator[Metric]:
        """Yields the gauges: sizes of buffers, entries that wait, lag, and whether each sink is
        up."""
        kinds = ["sink", "kind"]
        size = _gauge(
            "buffer_bytes", "Bytes in a sink's buffer, including those being sent.", kinds
        )
        entries = _gauge(
            "buffer_entries", "Entries in the buffer, including those being sent.", kinds
        )
        limit = _gauge("buffer_limit_bytes", "Largest size of the buffer.", kinds)
        blocked = _gauge(
            "blocked_entries", "Entries read that wait for room in the buffer.", ["sink"]
        )
        lag = _gauge("lag_seconds", "Age of the oldest undelivered entry.", ["sink"])
        up = _gauge("sink_up", "1 unless the last attempt to send failed.", ["sink"])
        now = time.time()
        for output in self._outputs:
            buffer, name = output.buffer, output.name
            size.add_metric([name, "memory"], buffer.bytes)
            on_disk = output.spool.disk.entries if output.spool is not None else 0
            entries.add_metric([name, "memory"], buffer.entries - on_disk)
            limit.add_metric([name, "memory"], buffer.limit)
            if output.spool is not None:
                disk = output.spool.disk
                size.add_metric([name, "disk"], disk.bytes)
                entries.add_metric([name, "disk"], disk.entries)
                limit.add_metric([name, "disk"], disk.limit)
            blocked.add_metric([name], buffer.blocked_entries)
            oldest = buffer.oldest()
            lag.add_metric([name], max(0.0, now - to_seconds(oldest)) if oldest else 0.0)
            up.add_metric([name], 0 if output.delivery.problem else 1)
        yield from (size, entries, limit, blocked, lag, up)


def _gauge(name: str, text: str, labels: list[str]) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"dockline_{name}", text, labels=labels)
