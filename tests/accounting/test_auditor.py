"""A report is made while the agent works, and balances all the same."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from pipeline.accounting import auditor as module
from pipeline.accounting.audit import AuditReport, ContainerPart
from pipeline.accounting.auditor import Auditor, BufferSnapshot
from pipeline.accounting.envelope import Envelope
from pipeline.accounting.ledger import ContainerAccount, Ledger, SinkAccount, add
from pipeline.accounting.offsets import Offsets
from pipeline.accounting.total import ALL, Total
from pipeline.model.component import BatchConfig, BufferConfig, SinkContext, Size
from pipeline.model.metrics import Metrics
from pipeline.sinks import file
from pipeline.stages import drop
from pipeline.support import selector
from pipeline.testing.builders import batch, container
from pipeline.topology import Route, Router
from pipeline.topology.output import Output
from tests.accounting.world import report

CONTAINERS = 12


@pytest.fixture(autouse=True)
def it_gives_way_whenever_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    """The event loop runs between any two steps, and one container is copied in a turn."""
    monkeypatch.setattr(selector, "SLICE", 0.0)
    monkeypatch.setattr(module, "COPYING", 0.0)
    monkeypatch.setattr(module, "PIECE", 2)


class Busy:
    """Two routes to two sinks. All containers log all the time, and everything is delivered."""

    def __init__(self, folder: Path) -> None:
        self.metrics, self.ledger = Metrics(CollectorRegistry()), Ledger()
        spooling = BufferConfig(memory=Size(20_000), disk=Size(2**20))
        self.outputs = [
            self._output(folder, "block", BufferConfig(memory=Size(10_000))),
            self._output(folder, "spool", spooling),
            self._output(
                folder, "lossy", BufferConfig(memory=Size(10_000), when_full="drop_oldest")
            ),
        ]
        dropping = [("drop", drop.Stage('message == "x"'))]
        sources = frozenset(["logs"])
        routes = [
            Route("all", sources, lambda one: True, [], self.outputs[:2]),
            Route("some", sources, lambda one: True, dropping, self.outputs[1:]),
        ]
        self.router = Router(routes, self.metrics, self.ledger)
        self.auditor = Auditor(self.ledger, self.snapshot)
        self._numbers = itertools.count(1)

    def _output(self, folder: Path, name: str, buffer: BufferConfig) -> Output:
        config = file.Config(
            type="file", path=str(folder / name), batch=BatchConfig(entries=7), buffer=buffer
        )
        return Output(config, SinkContext(name), self.metrics, self.ledger, folder)

    def snapshot(self) -> BufferSnapshot:
        spools = [one.spool for one in self.outputs if one.spool is not None]
        return BufferSnapshot(
            [envelope for one in self.outputs for envelope in one.buffer.envelopes()],
            [spool.disk.accounts for spool in spools],
        )

    async def log(self) -> None:
        """Logs as one container until cancelled; then it is removed, and another one comes."""
        while True:
            of = container(f"api-{(number := next(self._numbers))}", number=number)
            account = self.ledger.container(of.id, of.name)
            account.followed = True
            lanes = self.router.bind(of, Offsets({}))["logs"]
            for start in range(1, 200, 3):
                await lanes.distribute(batch("a", "x", "b", of=of, start=start))
                await asyncio.sleep(0)
            self.ledger.forget(of.id)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as tasks:
            for output in self.outputs:
                if output.spool is not None:
                    await output.spool.open()
                    tasks.create_task(output.spool.run(), name="spool")
            delivering = [tasks.create_task(one.run(), name=one.name) for one in self.outputs]
            logging = [tasks.create_task(self.log(), name="log") for _ in range(CONTAINERS)]
            yield
            for task in logging:
                task.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.wait(logging)
            for output in self.outputs:
                output.buffer.close()
            await asyncio.wait(delivering)
            for output in self.outputs:
                if output.spool is not None:
                    output.spool.finish()


@pytest.fixture
def busy(tmp_path: Path) -> Busy:
    return Busy(tmp_path)


@pytest.mark.parametrize("passes", [0, 1, 3])
async def test_it_balances_while_everything_moves(
    busy: Busy, monkeypatch: pytest.MonkeyPatch, passes: int
) -> None:
    monkeypatch.setattr(module, "PASSES", passes)
    reports = []
    async with busy.running():
        while len(reports) < 60 or not busy.ledger.removed.routes:
            await asyncio.sleep(0)  # there may be no container yet, so nothing to give way between
            reports.append(await report(busy.auditor))
    assert [one for one in reports if not one.balanced] == []
    sinks = [sink for one in reports for sink in sinks_of(one)]
    for name in ("block", "spool", "lossy"):
        assert any(sink.buffered for sink in sinks if sink.sink == name)
        assert any(sink.delivered for sink in sinks if sink.sink == name)
    read = [sum(sum(one.read.values()) for one in report.containers) for report in reports]
    assert read == sorted(read) and read[-1] > read[0]
    assert (await report(busy.auditor)).balanced


async def test_an_entry_that_is_forgotten_is_found_while_everything_moves(busy: Busy) -> None:
    async with busy.running():
        waiting = busy.outputs[0].buffer._waiting  # type: ignore[union-attr]
        while not waiting:
            await asyncio.sleep(0)
        forgotten = waiting.pop()
        for _ in range(20):
            one = await report(busy.auditor)
            assert not one.balanced
            assert differences(one) == {forgotten.batch.container.id: 3}


async def test_an_entry_that_is_counted_twice_is_found_while_everything_moves(
    busy: Busy,
) -> None:
    async with busy.running():
        while not busy.snapshot().envelopes:
            await asyncio.sleep(0)
        account = next(iter(busy.ledger)).routes["logs", "all"].accounts["block"]
        account.delivered += 1
        of = account.route_account.container_account.id
        for _ in range(20):
            one = await report(busy.auditor)
            assert not one.balanced
            assert differences(one) == {of: -1}


async def test_an_entry_that_is_done_with_and_in_a_buffer_is_found(busy: Busy) -> None:
    of = container()
    await busy.router.bind(of, Offsets({}))["logs"].distribute(batch("a", "b", of=of, start=1))
    assert (await report(busy.auditor)).balanced
    account = busy.ledger.containers[of.id].routes["logs", "all"].accounts["block"]
    account.delivered += 2
    assert account.open == 0
    assert differences(await report(busy.auditor)) == {of.id: -2}


async def test_what_is_on_a_disk_counts_as_buffered() -> None:
    ledger = Ledger()
    account = filled(ledger, 1, routed=7)
    for count in (7, 6, 0):
        snapshot = BufferSnapshot([], [{account: count}, {}])
        one = await report(Auditor(ledger, partial(BufferSnapshot, *snapshot)))
        assert one.balanced is (count == 7)
        (sink,) = sinks_of(one)
        assert (sink.buffered, sink.unaccounted) == (count, 7 - count)


@pytest.mark.parametrize("passes", [0, 3])
async def test_containers_that_are_removed_meanwhile_are_in_the_sum_once(
    monkeypatch: pytest.MonkeyPatch, passes: int
) -> None:
    monkeypatch.setattr(module, "PASSES", passes)
    ledger = Ledger()
    for number in range(10):
        filled(ledger, number, delivered=1)
        ledger.forget(f"{number:064x}")
    assert ledger.removed.read == {"logs": 10}
    accounts = [filled(ledger, number, routed=1) for number in range(10, 60)]
    parts: list[ContainerPart] = []
    going = iter(accounts)
    coming = itertools.count(100)

    def take(place: int, part: ContainerPart) -> None:
        """While one is taken, others are removed that were and were not taken before."""
        parts.append(part)
        for account in itertools.islice(going, 2):
            account.delivered += 1
            ledger.forget(account.route_account.container_account.id)
        number = next(coming)
        filled(ledger, number, delivered=1)
        ledger.forget(f"{number:064x}")
        ledger.fold()

    def snapshot() -> BufferSnapshot:
        return BufferSnapshot([], [{one: 1 for one in accounts if one.open}])

    auditor = Auditor(ledger, snapshot)
    one = await auditor.audit(take)
    assert one.balanced
    names = Counter(part.name for part in parts)
    assert names == dict.fromkeys(["(removed)", *(f"web-{n}" for n in range(10, 60))], 1)
    assert sum(part.read["logs"] for part in parts) == 60
    assert len(ledger.removed.read) == 1 and ledger.removed.read["logs"] > 100
    assert ledger._walks == []


async def test_a_walk_that_is_given_up_leaves_nothing() -> None:
    ledger = Ledger()
    for number in range(50):
        filled(ledger, number, delivered=1)
    auditor = Auditor(ledger, lambda: BufferSnapshot([], []))
    task = asyncio.get_running_loop().create_task(report(auditor))
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(ledger._walks) == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ledger._walks == []


async def test_containers_are_in_the_order_of_the_ledger_and_only_those_that_are_chosen() -> None:
    ledger = Ledger(most=20)
    for number in range(25):
        filled(ledger, number, routed=number % 3, delivered=number % 2)
    ledger.removed.read["logs"] = 1
    snapshot = BufferSnapshot([], [])
    one = await report(Auditor(ledger, lambda: snapshot))
    expected = [*(f"web-{number}" for number in range(20)), "(removed)", "(others)"]
    assert [part.name for part in one.containers] == expected
    assert not one.balanced

    def third(account: ContainerAccount) -> bool:
        return account.name in ("web-3", "(removed)")

    one = await report(Auditor(ledger, lambda: snapshot), third)
    assert [part.name for part in one.containers] == ["web-3", "(removed)"]


@pytest.mark.parametrize("passes", [0, 3])
async def test_the_loop_turns_between_any_two_containers_and_pieces_of_a_buffer(
    monkeypatch: pytest.MonkeyPatch, passes: int
) -> None:
    monkeypatch.setattr(module, "PASSES", passes)
    ledger = Ledger()
    accounts = [filled(ledger, number, routed=3) for number in range(30)]
    envelopes = [Envelope(batch("a"), account) for account in accounts for _ in range(3)]
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    counting = asyncio.get_running_loop().create_task(count())
    at: list[int] = []
    auditor = Auditor(ledger, lambda: BufferSnapshot(list(envelopes), []))
    one = await auditor.audit(lambda place, part: at.append(turns))
    counting.cancel()
    assert one.balanced
    assert len(at) == len(set(at)) == 30, "no two containers in one turn"
    assert at[0] >= 30 + len(envelopes) // module.PIECE


async def test_the_total_is_the_sum_of_the_parts(busy: Busy) -> None:
    async with busy.running():
        while not busy.ledger.removed.routes:
            await asyncio.sleep(0.01)
        one = await report(busy.auditor)
    total = Total()
    for part in one.containers:
        total.add(part)
    whole = total.part
    assert (whole.id, whole.name) == ("", ALL)
    assert whole.read == {"logs": sum(part.read["logs"] for part in one.containers)}
    assert {(route.source, route.route) for route in whole.routes} == {
        ("logs", "all"),
        ("logs", "some"),
    }
    for route in whole.routes:
        parts = [of for part in one.containers for of in part.routes if of.route == route.route]
        for name in ("taken", "held", "unaccounted"):
            assert getattr(route, name) == sum(getattr(part, name) for part in parts)
        for name in ("filtered", "made", "handed"):
            assert getattr(route, name) == added(getattr(part, name) for part in parts)
        for sink in route.sinks:
            sinks = [of for part in parts for of in part.sinks if of.sink == sink.sink]
            for name in ("routed", "known", "delivered", "left", "buffered", "unaccounted"):
                assert getattr(sink, name) == sum(getattr(of, name) for of in sinks), name
            assert sink.dropped == added(of.dropped for of in sinks)
    assert any(sink.buffered for route in whole.routes for sink in route.sinks)


def added(counts) -> dict[str, int]:  # type: ignore[no-untyped-def]
    total: dict[str, int] = {}
    for one in counts:
        for name, count in one.items():
            add(total, name, count)
    return total


def filled(ledger: Ledger, number: int, *, routed: int = 0, delivered: int = 0) -> SinkAccount:
    """A container of which so many entries are open, and so many delivered."""
    container_account = ledger.container(f"{number:064x}", f"web-{number}")
    route_account = container_account.route("logs", "r")
    route_account.bind(("out",))
    add(container_account.read, "logs", routed + delivered)
    account = route_account.sink("out")
    route_account.taken += routed + delivered
    account.routed += routed + delivered
    account.delivered += delivered
    return account


def sinks_of(one: AuditReport):  # type: ignore[no-untyped-def]
    return [sink for part in one.containers for route in part.routes for sink in route.sinks]


def differences(one: AuditReport) -> dict[str, int]:
    """What is unaccounted for, by container."""
    return {
        part.id: sink.unaccounted
        for part in one.containers
        for route in part.routes
        for sink in route.sinks
        if sink.unaccounted
    }
