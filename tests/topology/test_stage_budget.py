"""Stages hold the loop for a moment only, however much a container writes, and whatever."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator

import pytest
from prometheus_client import CollectorRegistry

from pipeline.accounting.acks import AckTracker
from pipeline.accounting.envelope import Envelope
from pipeline.accounting.ledger import Ledger
from pipeline.accounting.offsets import Offsets
from pipeline.model.acknowledgement import UNTRACKED
from pipeline.model.batch import Batch
from pipeline.model.component import Stage
from pipeline.model.container import Container
from pipeline.model.metrics import Metrics
from pipeline.stages import join
from pipeline.testing.builders import batch, container
from pipeline.topology import ContainerLanes, Route, Router
from pipeline.topology.stage_budget import (
    BUDGET,
    LIGHT,
    LIGHTEST,
    OF_AN_ENTRY,
    PortionSize,
    StageBudget,
)

LINE = b"x" * (LIGHT // 4 - OF_AN_ENTRY)
"""Four of them are a portion."""


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Slow(Stage):
    """Takes time by a clock of its own, and notes in which turn of the loop it was called."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        super().__init__(None)
        self._clock = clock
        self._seconds = seconds
        self.turn = 0
        self.calls: list[tuple[int, int]] = []
        """Turn, and number of entries."""

    def __call__(self, one: Batch) -> Batch | None:
        self._clock.now += self._seconds
        self.calls.append((self.turn, len(one)))
        return one

    async def count(self) -> None:
        while True:
            self.turn += 1
            await asyncio.sleep(0)


class Kept:
    """A sink's buffer with room for so many batches."""

    name = "out"

    def __init__(self, room: int = 1000) -> None:
        self.room = room
        self.envelopes: list[Envelope] = []

    def offer(self, envelope: Envelope) -> bool:
        if len(self.envelopes) >= self.room:
            return False
        self.envelopes.append(envelope)
        return True

    async def put(self, envelope: Envelope) -> None:
        await asyncio.get_running_loop().create_future()

    @property
    def batches(self) -> list[Batch]:
        return [envelope.batch for envelope in self.envelopes]

    @property
    def sequences(self) -> list[int]:
        return [number for one in self.batches for number in one.sequences]


class Settled:
    def __init__(self) -> None:
        self.tracker: AckTracker[int] = AckTracker(self._moved)
        self.moved: list[int] = []

    def _moved(self, number: int) -> None:
        self.moved.append(number)


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def tasks() -> AsyncIterator[asyncio.TaskGroup]:
    async with asyncio.TaskGroup() as group:
        yield group


@pytest.fixture
async def slow(clock: Clock) -> AsyncIterator[Slow]:
    stage = Slow(clock, 0.6 * BUDGET)
    async with asyncio.TaskGroup() as tasks:
        counting = tasks.create_task(stage.count(), name="turns")
        yield stage
        counting.cancel()


def lanes_of(
    ledger: Ledger,
    clock: Clock,
    out: Kept,
    *stages: Stage,
    router: Router | None = None,
    of: Container | None = None,
) -> ContainerLanes:
    named = tuple((type(one).__module__.rpartition(".")[2], one) for one in stages)
    if router is None:
        router = router_of(ledger, clock, out, named)
    return router.bind(of or container(), Offsets({}))["logs"]


def router_of(
    ledger: Ledger, clock: Clock, out: Kept, named: tuple[tuple[str, Stage], ...]
) -> Router:
    route = Route("r", frozenset(("logs",)), lambda one: True, named, [out])
    router = Router([route], Metrics(CollectorRegistry()), ledger)
    router.flusher.turns.clock = clock
    return router


@pytest.mark.fault(131)
async def test_the_loop_turns_when_stages_have_used_what_they_may(
    ledger: Ledger, clock: Clock, slow: Slow
) -> None:
    out, settled = Kept(), Settled()
    lanes = lanes_of(ledger, clock, out, slow)
    ack = settled.tracker.open(1)
    await lanes.distribute(batch(*[LINE] * 17), ack)
    ack.settle()
    turns = [turn for turn, _ in slow.calls]
    assert len(turns) == 5
    assert max(map(turns.count, turns)) == 2  # the budget is used up in the second
    assert out.sequences == list(range(17))
    assert settled.moved == []
    for envelope in out.envelopes:
        envelope.ack.settle()
    assert settled.moved == [1]
    (container_account,) = ledger
    assert container_account.read["logs"] == 17
    assert not any(route_account.unaccounted for route_account in container_account.routes.values())


@pytest.mark.fault(131)
async def test_all_containers_have_their_turn(ledger: Ledger, clock: Clock, slow: Slow) -> None:
    out = Kept()
    router = router_of(ledger, clock, out, (("slow", slow),))
    some = [container(f"c{number}", number=number) for number in range(8)]
    every = [lanes_of(ledger, clock, out, router=router, of=one) for one in some]
    batches = [batch(*[LINE] * 12, of=one) for one in some]
    pairs = zip(every, batches, strict=True)
    await asyncio.gather(*(lanes.distribute(one) for lanes, one in pairs))
    assert max([turn for turn, _ in slow.calls].count(turn) for turn, _ in slow.calls) <= 2
    first = [one.container.name for one in out.batches[:16]]
    assert set(first) == {one.name for one in some}  # nobody waits for all of another's
    assert len(out.sequences) == 96


async def test_a_batch_that_begins_while_the_turn_is_used_up_waits(
    ledger: Ledger, clock: Clock, slow: Slow
) -> None:
    lanes = lanes_of(ledger, clock, Kept(), slow)
    lanes._turns.use(BUDGET)
    waiting = lanes.start(batch(b"a"), UNTRACKED)
    assert waiting is not None
    assert not slow.calls
    await waiting
    assert len(slow.calls) == 1
    assert lanes.start(batch(b"b"), UNTRACKED) is None


async def test_without_stages_batches_stay_whole(ledger: Ledger, clock: Clock) -> None:
    out = Kept()
    await lanes_of(ledger, clock, out).distribute(batch(*[LINE] * 40))
    assert [len(one) for one in out.batches] == [40]


async def test_what_had_not_begun_when_it_is_cancelled_was_not_read(
    ledger: Ledger, clock: Clock, slow: Slow, tasks: asyncio.TaskGroup
) -> None:
    out, settled = Kept(), Settled()
    lanes = lanes_of(ledger, clock, out, slow)
    ack = settled.tracker.open(1)
    task = tasks.create_task(lanes.distribute(batch(*[LINE] * 40), ack), name="distributing")
    while not slow.calls:
        await asyncio.sleep(0)
    assert lanes.busy
    task.cancel()
    await asyncio.wait([task])
    assert not lanes.busy
    (container_account,) = ledger
    assert container_account.read["logs"] == len(out.sequences) == 8
    assert ack.pending


async def test_what_is_given_up_before_its_turn_is_counted_as_lost(
    ledger: Ledger, clock: Clock, slow: Slow, tasks: asyncio.TaskGroup
) -> None:
    out = Kept()
    lanes = lanes_of(ledger, clock, out, slow)
    task = tasks.create_task(lanes.distribute(batch(*[LINE] * 40)), name="distributing")
    while not slow.calls:
        await asyncio.sleep(0)
    lanes.abandon("abandoned")
    assert not lanes.busy
    task.cancel()
    await asyncio.wait([task])
    (container_account,) = ledger
    assert container_account.read["logs"] == 40
    assert not any(route_account.unaccounted for route_account in container_account.routes.values())
    (account,) = ledger.accounts()
    assert account.dropped == {"abandoned": 32}
    assert account.open == len(out.sequences) == 8


async def test_lines_are_joined_over_portions_and_none_is_let_go_between_them(
    ledger: Ledger, clock: Clock, slow: Slow, tasks: asyncio.TaskGroup
) -> None:
    out = Kept()
    lanes = lanes_of(ledger, clock, out, join.Stage(join.Own(like="indent", lines=100)), slow)
    some = [LINE, *[b" " + LINE] * 9] * 2
    task = tasks.create_task(lanes.distribute(batch(*some)), name="distributing")
    while not task.done():
        lanes.flush(math.inf)
        await asyncio.sleep(0)
    lanes.flush(math.inf)
    assert [len(line.split(b"\n")) for one in out.batches for line in one.lines] == [10, 10]


def test_a_portion_is_smaller_after_one_that_was_slow_and_grows_again() -> None:
    pace, one = PortionSize(), batch(*[b""] * 5000)

    def longest() -> int:
        return len(next(pace.portions(one)))

    usual = longest()
    assert usual == LIGHT // OF_AN_ENTRY
    pace.note(2 * BUDGET)
    assert longest() == usual // 2
    for _ in range(20):
        pace.note(2 * BUDGET)
    assert longest() == LIGHTEST // OF_AN_ENTRY
    for _ in range(20):
        pace.note(BUDGET / 10)
    assert longest() == usual


def test_portions_are_all_entries_in_order_and_one_that_is_heavy_is_alone() -> None:
    one = batch(b"a", LINE * 8, b"b", *[LINE] * 5, streams="out err " + "out " * 6)
    portions = list(PortionSize().portions(one))
    assert [len(portion) for portion in portions] == [1, 1, 4, 2]
    assert [line for portion in portions for line in portion.lines] == one.lines
    assert b"".join(portion.streams for portion in portions) == one.streams
    assert [n for portion in portions for n in portion.sequences] == list(one.sequences)


def test_fields_weigh_too() -> None:
    fields = [{f"k{n}": n for n in range(1000)}] * 10
    portions = list(PortionSize().portions(batch(*["a"] * 10, fields=fields)))
    assert [len(portion) for portion in portions] == [1] * 10


@pytest.mark.fault(110)
def test_what_is_in_lists_and_objects_of_fields_weighs_too() -> None:
    fields = [{"a": [{"b": [*range(330)]}] * 3}] * 10
    portions = list(PortionSize().portions(batch(*["a"] * 10, fields=fields)))
    assert [len(portion) for portion in portions] == [1] * 10
    few = list(PortionSize().portions(batch(*["a"] * 10, fields=[{"a": [*range(100)]}] * 10)))
    assert [len(portion) for portion in few] == [10]


async def test_a_turn_that_is_given_up_goes_to_the_next_who_waits(tasks: asyncio.TaskGroup) -> None:
    turns = StageBudget()
    first, second = (tasks.create_task(turns.wait(), name=name) for name in "ab")
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait_for(second, 30)
    assert turns.waited == 2
