"""All lanes of one container, and how its batches get through them into buffers."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Coroutine, Iterator, Sequence, Set
from itertools import chain
from typing import Any, Final

from pipeline.accounting.envelope import Envelope
from pipeline.accounting.ledger import ContainerAccount, SinkAccount, add
from pipeline.model.acknowledgement import UNTRACKED, Acknowledgement
from pipeline.model.batch import Batch
from pipeline.model.component import Stage
from pipeline.model.container import EntryKind
from pipeline.model.errors import calls
from pipeline.model.metrics import Metrics
from pipeline.support.plural import plural
from pipeline.topology.held_back import Flusher
from pipeline.topology.lane import Lane
from pipeline.topology.route import Put, TakesBatches
from pipeline.topology.stage_budget import PortionSize
from pipeline.topology.tap import Tap

log = logging.getLogger(__name__)

SHORTAGE = 1.0
"""Seconds until a batch is offered again to a buffer that hadn't enough memory for it."""

NO_TASKS: Final[Set[asyncio.Task[None]]] = frozenset()

Waiting = Sequence[tuple[TakesBatches, Envelope]]
"""Batches that wait for room, and the outputs that they go to."""


class ContainerLanes:
    """All lanes of one container for one of its sources (logs, events or stats).

    Every output that a batch goes to holds the batch's acknowledgement, `ack`. The caller settles
    its own hold when `distribute` has returned. It doesn't when that was cancelled: an entry that
    never reached a buffer has to be read again. Calls come from the event loop; a batch is passed
    when the one before is done.
    """

    def __init__(
        self,
        container_account: ContainerAccount,
        source: EntryKind,
        lanes: Sequence[Lane],
        metrics: Metrics,
        flusher: Flusher,
        tap: Tap | None = None,
        first: Sequence[tuple[str, Stage]] = (),
        tagged: int = 0,
    ) -> None:
        """`first`: stages that run once, before any lane, with the labels that ask for them. They
        must keep all entries and hold none back. `tagged`: bytes that the container's labels add to
        each entry."""
        self.first = first if lanes else ()
        self._tagged = tagged
        self._stage_errors = metrics.stage_errors
        self._bugs, self._shortages = flusher.bugs, flusher.shortages
        self._tap = tap or Tap()
        self._container_account = container_account
        self._flusher = flusher
        self._noted = False
        """The flusher knows that something is held back."""
        self._turns, self._pace = flusher.turns, PortionSize()
        every = [one for root in lanes for one in root.with_feeds()]
        self._staged = bool(self.first) or any(one.staged for one in every)
        self._unseen = 0
        self._putting: Set[asyncio.Task[None]] = NO_TASKS
        """Tasks that put flushed entries into buffers without room."""
        self._ended = False
        self._binding = container_account.binding
        self._source = source
        self._lanes = lanes
        self._behind: Sequence[Lane] = ()
        """Ended lanes that only lanes which haven't ended lead to. Those furthest from the start
        come first: their entries came before those that the others hold."""
        self._next: ContainerLanes | None = None
        """The lanes that have replaced these, with some of the same `Lane` objects."""
        self._dropped = metrics.dropped
        self._shortage = metrics.memory_errors.labels("buffers")
        self.waiting: dict[SinkAccount, int] = {}
        """Entries that wait for room, by account."""

    def __len__(self) -> int:
        return len(self._lanes)

    def __iter__(self) -> Iterator[Lane]:
        return iter(self._lanes)

    @property
    def _left(self) -> int:
        """Entries of the current batch that no lane has seen yet."""
        return self._unseen

    @_left.setter
    def _left(self, count: int) -> None:
        self._turns.entries += count - self._unseen
        self._unseen = count

    async def distribute(self, batch: Batch, ack: Acknowledgement = UNTRACKED) -> None:
        """Takes a batch through all lanes into the sinks' buffers, and waits for room where needed.

        Buffers with room get it at once. Full ones are waited for together, so none delays another.
        A buffer that drops entries never makes this wait; one with `block` may do so for as long as
        its sink is down.
        """
        self._left = len(batch)
        try:
            if self._putting:
                await asyncio.wait(self._putting)
            if self._staged and self._turns.over:
                await self._turns.wait()
            pieces = self._portions(batch)
            if (waiting := self._begin(pieces, ack)) is not None:
                await self._go_on(waiting, pieces, ack)
        finally:
            self._left = 0

    def start(self, batch: Batch, ack: Acknowledgement) -> Coroutine[Any, Any, None] | None:
        """Takes a batch into the sinks' buffers, as far as possible without awaiting.

        None when the batch is in all buffers. Otherwise the caller awaits the coroutine that is
        returned, which does the rest as `distribute` would. As a rule there is none, so this saves
        a coroutine per batch.
        """
        if self._putting or (self._staged and self._turns.over):
            return self.distribute(batch, ack)
        self._left = len(batch)
        pieces = self._portions(batch)
        try:
            waiting = self._begin(pieces, ack)
        except BaseException:
            self._left = 0
            raise
        return None if waiting is None else self._go_on(waiting, pieces, ack)

    def _portions(self, batch: Batch) -> Iterator[Batch]:
        """The batch in pieces: small enough for what labels and tags add, and for stages."""
        pieces = iter(batch.pieces(self._tagged))
        if not self._staged:
            return pieces
        return chain.from_iterable(map(self._pace.portions, pieces))

    def _begin(self, pieces: Iterator[Batch], ack: Acknowledgement) -> Waiting | None:
        """Passes pieces until one has to wait for room, or the stages' budget is used up.

        Returns what waits for room; None when all pieces are through and nothing waits. So the
        pieces, which labels and tags make larger, are never in memory all at once.
        """
        for piece in pieces:
            waiting = self._taken(piece, ack)
            for _, left in waiting:
                self._wait(left.account, len(left))
            if waiting or (self._left and self._staged and self._turns.over):
                return waiting
        return None

    def _taken(self, piece: Batch, ack: Acknowledgement) -> Waiting:
        """Takes a piece through the lanes. Returns what of it has to wait for room."""
        self._left -= len(piece)
        waiting: list[tuple[TakesBatches, Envelope]] = []
        if not self._staged:
            self._put_piece(piece, ack, self._offering(waiting))
            return waiting
        turns = self._turns
        began = turns.clock()
        self._put_piece(piece, ack, self._offering(waiting))
        took = turns.clock() - began
        turns.use(took)
        self._pace.note(took)
        return waiting

    async def _go_on(
        self, waiting: Waiting | None, pieces: Iterator[Batch], ack: Acknowledgement
    ) -> None:
        """Puts what waits, then the other pieces. When cancelled, pieces that haven't begun count
        as not read."""
        try:
            while waiting is not None:
                await self._put_all(waiting)
                if self._staged and self._turns.over:
                    await self._turns.wait()
                if self._putting:
                    await asyncio.wait(self._putting)
                waiting = self._begin(pieces, ack)
        finally:
            self._left = 0

    async def _put_all(self, waiting: Waiting) -> None:
        if len(waiting) == 1:
            await self._put(*waiting[0])
        elif waiting:
            async with asyncio.TaskGroup() as tasks:
                for place in waiting:
                    tasks.create_task(self._put(*place), name="put")

    async def _put_late(self, waiting: Waiting) -> None:
        try:
            await self._put_all(waiting)
        except Exception:  # a bug in a buffer; the flusher must go on
            log.exception("entries that were held back are lost")

    def flush(self, now: float) -> None:
        """Puts what the stages no longer hold back at `now` into the sinks' buffers.

        `now` is the loop's clock in seconds; `math.inf` flushes everything. Does nothing while
        `busy`.
        """
        if not self.busy:
            self._flush(now)

    @property
    def busy(self) -> bool:
        """Whether a batch waits for room, or for the next iteration of the event loop."""
        return bool(self.waiting or self._left)

    def end(self, ended: Sequence[Lane] | None = None) -> None:
        """Ends these lanes: flushes everything, and holds nothing back from now on.

        Other lanes replace them. Where those include some of the lanes here, `ended` are the
        others, each before those that it feeds; None for all.
        """
        self._ended = True
        if ended is None:
            ended = [lane for root in self._lanes for lane in root.with_feeds()]
        for lane in ended:
            lane.ended = True
        fed = {own for lane in ended for own in lane.own}.union(self._lanes)
        self._behind = [lane for lane in reversed(ended) if lane not in fed]
        self._flush(math.inf)

    def begin(self, before: ContainerLanes | None) -> None:
        """Starts to use these lanes in place of `before`, with the lanes that stay.

        Those may hold entries already. They also still get what waited in `before` through the
        change.
        """
        if before is not None:
            before._next = self
        self._note_held()

    @property
    def _own(self) -> Sequence[Lane]:
        """The lanes that are flushed here; lanes that have stayed are flushed by those that come
        after."""
        if not self._ended:
            return self._lanes
        return [*self._behind, *(lane for lane in self._lanes if lane.ended)]

    def _flush(self, now: float) -> None:
        refused: list[tuple[TakesBatches, Envelope]] = []
        self._let_go(now, self._offering(refused))
        for _, left in refused:
            self._wait(left.account, len(left))
        if refused:
            task = self._flusher.create_task(self._put_late(refused))
            self._putting |= {task}
            task.add_done_callback(self._has_put)

    def _has_put(self, task: asyncio.Task[None]) -> None:
        self._putting = (self._putting - {task}) or NO_TASKS

    def offer(self, batch: Batch) -> int:
        """Puts a batch into the buffers with room, and never waits. For stats, which are worthless
        late.

        Counts the batch as dropped (`backlog`) at the sinks whose buffers have no room. Returns how
        many those are.
        """
        refused: list[tuple[TakesBatches, Envelope]] = []
        self._put_piece(batch, UNTRACKED, self._offering(refused))
        for output, left in refused:
            self._drop(output, left, "backlog")
        return len(refused)

    def refuse(self, batch: Batch, ack: Acknowledgement, reason: str) -> None:
        """Counts a batch that was offered to no buffer as dropped, for all sinks that would get
        it."""
        self._put_piece(batch, ack, self._dropping(reason))

    def abandon(self, reason: str) -> None:
        """Drops, with this reason, what waits for room or for its turn and what stages hold back.

        Cancel the task that waits in `distribute` next.
        """
        for task in self._putting:
            task.cancel()
        for account, entries in list(self.waiting.items()):
            self._wait(account, -entries)
            account.drop(entries, reason)
            self._dropped.labels(account.sink, reason).inc(entries)
            if self._tap.tappers:
                self._tap.lost(account.sink, entries, reason, account.route_account.route)
        self._let_go(math.inf, self._dropping(reason))
        if count := self._left:
            self._left = 0
            add(self._container_account.read, self._source, count)
            for lane in self._lanes:
                lane.lose(count, reason)

    def _wait(self, account: SinkAccount, count: int) -> None:
        account.waiting += count
        left = self.waiting.pop(account, 0) + count
        if left:
            self.waiting[account] = left

    async def _put(self, output: TakesBatches, envelope: Envelope) -> None:
        """Puts the batch and waits for room. If cancelled, the batch still counts as waiting: no
        buffer has it."""
        while True:
            try:
                await output.put(envelope)
                break
            except MemoryError:
                self._note_shortage(output)
            await asyncio.sleep(SHORTAGE)
        self._wait(envelope.account, -envelope.entries)

    def _note_shortage(self, output: TakesBatches) -> None:
        self._shortage.inc()
        if self._shortages():
            log.warning("sink %s: not enough memory to take more; it has to wait", output.name)

    def _offering(self, waiting: list[tuple[TakesBatches, Envelope]]) -> Put:
        """A `Put` that offers to the sinks' buffers, and adds what has to wait for room to
        `waiting`, with all that comes after it for the same sink."""

        def put(output: TakesBatches, envelope: Envelope) -> None:
            if self._tap.tappers:
                self._tap.passed(envelope.batch, output.name)
            try:
                behind = any(output is one for one, _ in waiting) if waiting else False
                if behind or not output.offer(envelope):
                    waiting.append((output, envelope))
            except MemoryError:
                self._note_shortage(output)
                waiting.append((output, envelope))
            except Exception:  # a bug in one buffer; the others must get the batch
                count = envelope.entries
                noun = plural(count, "entry")
                log.exception("sink %s failed to take %d %s", output.name, count, noun)
                self._drop(output, envelope, "bug")

        return put

    def _dropping(self, reason: str) -> Put:
        """A `Put` that drops everything with this reason."""
        return lambda output, envelope: self._drop(output, envelope, reason)

    def _put_piece(self, batch: Batch, ack: Acknowledgement, put: Put) -> None:
        """Counts a batch as read and takes it through every lane."""
        add(self._container_account.read, self._source, len(batch))
        if self._binding != self._container_account.binding:
            routes = {lane.route.name for lane in self._lanes}
            self._container_account.read_late(self._source, len(batch), routes)
        until = batch.sequences[-1]
        for name, stage in self.first:
            batch = self._labelled(batch, name, stage)
        for lane in self._lanes:
            lane.take(batch, until, ack, put)
        if self._ended:
            self._let_go(math.inf, put)
        if self._staged or self._next is not None:
            self._note_held()

    def _let_go(self, now: float, put: Put) -> None:
        """Puts what the stages no longer hold back at `now`."""
        for lane in self._own:
            lane.flush(now, put)
        self._note_held()

    def _note_held(self) -> None:
        holding = self.holding
        if holding or self._noted:
            self._noted = holding
            self._flusher.note(self, holding=holding)
        if self._next is not None:
            self._next._note_held()

    @property
    def holding(self) -> bool:
        """Whether some stage holds entries back."""
        return any(lane.holds for lane in self._own)

    def _labelled(self, batch: Batch, name: str, stage: Stage) -> Batch:
        """Applies a stage that the container asks for with a label. The batch itself if the stage
        fails."""
        try:
            return stage(batch) or batch
        except Exception as error:  # a bug in the stage
            if self._bugs():
                kind = type(error).__name__
                form = "the stage of label %s failed with %s; it is skipped\n%s"
                log.error(form, name, kind, calls(error))
            self._stage_errors.labels("", name).inc()
            return batch

    def _drop(self, output: TakesBatches, envelope: Envelope, reason: str) -> None:
        envelope.account.drop(envelope.entries, reason)
        self._dropped.labels(output.name, reason).inc(envelope.entries)
        if self._tap.tappers:
            self._tap.dropped(envelope.batch, output.name, reason)
        envelope.ack.settle()
