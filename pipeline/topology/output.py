"""One sink of the configuration, with all that stands before it: buffer, delivery, dead letters."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
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
from pipeline.model.component import Context, SinkConfig
from pipeline.model.metrics import Metrics
from pipeline.model.timestamps import to_seconds
from pipeline.support.plural import plural
from pipeline.support.rate_limit import RateLimit
from pipeline.topology.delivery import Delivery
from pipeline.topology.tap import Tap

log = logging.getLogger(__name__)

LOOK = 0.05
"""Seconds between two looks at whether a sink that is replaced has finished."""

PATIENCE = 1.0
"""Seconds that a refused entry waits for room at the dead-letter sink."""


class SinkNow(msgspec.Struct, omit_defaults=True):
    name: str
    type: str
    problem: str = ""
    """Why the last attempt to send failed, or what is wrong with the disk; empty where all is
    well."""
    delivered: int = 0
    delivered_bytes: int = 0
    retried: int = 0
    dead_lettered: int = 0
    dropped: dict[str, int] = {}
    """Entries by reason."""
    memory: int = 0
    """Bytes, as all sizes of buffers."""
    memory_limit: int = 0
    disk: int = 0
    disk_limit: int = 0
    entries: int = 0
    """That wait, in memory and on disk."""
    blocked: int = 0
    """Entries read that wait for room."""
    lag: float = 0.0
    """Seconds since the oldest entry was written that is not delivered."""


class Output:
    """What lanes put into, and the task that empties it. See `route.Outlet`."""

    def __init__(
        self,
        config: SinkConfig,
        context: Context,
        metrics: Metrics,
        ledger: Ledger,
        state: Path = Path(),
        tap: Tap | None = None,
    ) -> None:
        """`state`: the state directory, in which a sink with `buffer.disk` has its spool."""
        self.name = context.name
        self._context = context
        self._metrics = metrics
        self._ledger = ledger
        self.config = config
        self.dead_letter: Output | None = None
        """Set once all outlets exist."""
        self._letters_wait = True
        """Until one has waited in vain; then no more do until there is room again."""
        self._dropped, self._drops = metrics.dropped, RateLimit()
        self._tap = tap = tap or Tap()
        self.spool: SpooledBuffer | None = None
        """The buffer, where it has a disk behind its memory."""
        self.buffer: MemoryBuffer | SpooledBuffer
        if config.buffer.disk:
            folder = folder_of(state, context.name)
            self.buffer = self.spool = SpooledBuffer(
                config.buffer, folder, self._drop, self._lose, self._account_of
            )
        else:
            self.buffer = MemoryBuffer(config.buffer, self._drop)
        self.delivery = self.successor(config)
        self._next: Delivery | None = None
        """The one that takes over."""
        self._delivering: asyncio.Task[None] | None = None
        self.offer = self.buffer.offer
        self.put = self.buffer.put

    def successor(self, config: SinkConfig) -> Delivery:
        """What delivers as another configuration of the sink says. Any thread may make one."""
        sink = registry.implementation("sinks", config.type)(config, self._context)
        return Delivery(self.name, sink, self.buffer, config, self._metrics, self._bury, self._tap)

    async def run(self) -> None:
        """Delivers until the buffer is closed and empty, through one sink after another."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._delivering = tasks.create_task(self.delivery.run(), name=f"send {self.name}")
                await asyncio.wait([self._delivering])
                if self._next is None:
                    return
                self.delivery, self._next = self._next, None
                self.buffer.resume()

    async def replace(self, config: SinkConfig, successor: Delivery, patience: float) -> None:
        """Lets another sink take over what is in the buffer, and what comes. The sink that there
        is finishes what it has taken first, for `patience` seconds as long as it is not in trouble;
        what it has not delivered then is the other's too."""
        self.config = config
        self.buffer.configure(config.buffer)
        self._next = successor
        self.buffer.suspend()
        delivery, delivering = self.delivery, self._delivering  # soon the other's
        if delivering is None:  # it has not begun
            return
        until = asyncio.get_running_loop().time() + patience
        while not (await asyncio.wait([delivering], timeout=LOOK))[0]:
            if delivery.problem or asyncio.get_running_loop().time() >= until:
                delivering.cancel()
                await asyncio.wait([delivering])

    def discard(self, reason: str) -> None:
        """The sink is gone: what it has not delivered stays on its disk, or is dropped, as is what
        still comes."""
        for account, entries in self.buffer.discard(reason).items():
            account.left += entries

    def _drop(self, envelope: Envelope, policy: str) -> None:
        entries = envelope.entries
        if count := self._drops(entries):
            log.warning("sink %s: entries dropped: %d (%s)", self.name, count, policy)
        self._dropped.labels(self.name, policy).inc(entries)
        envelope.account.drop(entries, policy)
        if self._tap.tappers:
            self._tap.dropped(envelope.batch, self.name, policy)
        envelope.ack.settle()

    def _lose(self, entries: int, reason: str) -> None:
        """Entries that were settled when they were written to the disk, and will not come back."""
        self._dropped.labels(self.name, reason).inc(entries)
        if self._tap.tappers:
            self._tap.lost(self.name, entries, reason)
        noun = plural(entries, "entry")
        log.warning("sink %s: lost %d %s of its spool: %s", self.name, entries, noun, reason)

    def _account_of(self, origin: Origin) -> SinkAccount:
        """Where entries that come from the disk are accounted."""
        container_account = self._ledger.spooled(origin.container_id, origin.container_name)
        return container_account.route(origin.source, origin.route).sink(self.name)

    def buffered(self) -> Counter[SinkAccount]:
        """What is in the buffer, by whose account it is on."""
        counts: Counter[SinkAccount] = Counter()
        for envelope in self.buffer.envelopes():
            counts[envelope.account] += envelope.entries
        if self.spool is not None:
            counts.update(self.spool.disk.accounts)
        return counts

    async def _bury(self, refused: Envelope, reason: str) -> bool:
        """Hands refused entries to the dead-letter sink, with what happened to them. A poison entry
        blocks nobody: where there is no room for it within `PATIENCE`, it is not taken."""
        if self.dead_letter is None:
            return False
        refused.ack.hold()
        account = refused.account.beside(self.dead_letter.name)
        letter = Envelope(_letter(refused.batch, self.name, reason), account, refused.ack)
        if await self.dead_letter.take_in(letter):
            return True
        refused.ack.settle()
        return False

    async def take_in(self, letter: Envelope) -> bool:
        """A dead letter of another sink; False when there is no room for it in time."""
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
        """Entries on disk that an earlier run of the agent has left there."""
        return self.spool.disk.carried if self.spool is not None else 0

    def now(self) -> SinkNow:
        """What there is to be seen of it beside its counters."""
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
        )

    def not_ready(self) -> str | None:
        """Why no more can be taken, or nothing at all is taken at its destination; None while it
        can, or waits within its limit for one that is down."""
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
    """Depths, read when somebody looks."""

    def __init__(self, outputs: Iterable[Output]) -> None:
        """`outputs`: those that there are whenever somebody looks."""
        self._outputs = outputs

    def collect(self) -> Iterator[Metric]:
        kinds = ["sink", "kind"]
        size = _gauge("buffer_bytes", "Bytes that wait for a sink, being sent included.", kinds)
        entries = _gauge("buffer_entries", "Entries that wait, being sent included.", kinds)
        limit = _gauge("buffer_limit_bytes", "What the buffer may hold.", kinds)
        blocked = _gauge("blocked_entries", "Entries read that wait for room in it.", ["sink"])
        lag = _gauge("lag_seconds", "Age of the oldest entry that is not delivered.", ["sink"])
        up = _gauge("sink_up", "1 unless the last attempt to send has failed.", ["sink"])
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
