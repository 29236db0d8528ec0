"""What stands between a source and the lanes."""

from __future__ import annotations

import asyncio
import gc
import json
import tracemalloc
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from pipeline.accounting.ledger import Ledger, SinkAccount
from pipeline.encode.json import JsonEncoder
from pipeline.intake import Intake, feeds
from pipeline.model.acknowledgement import Acknowledgement
from pipeline.model.batch import BYTES_OF_A_BATCH, ENTRY_OVERHEAD, LARGEST_PIECE, Batch
from pipeline.model.component import Duration, StageContext
from pipeline.model.container import USUAL_LABELS, Container
from pipeline.model.metrics import Metrics
from pipeline.model.records import Fields
from pipeline.model.registry import stage
from pipeline.stages.join import Own
from pipeline.support.rate_limit import RateLimit
from pipeline.testing.builders import batch, container
from pipeline.testing.intake_room import Sink, until
from pipeline.topology import Route, Router
from tests.suite.waiting import pass_time

PARSE = stage("parse", "json", StageContext())
JOIN = stage("join", Own(start="^begin", timeout=Duration(0.2)), StageContext())


class Fixture:
    """An intake with a ledger that can be looked at."""

    def __init__(self, *routes: Route, limit: int = 1 << 20, name: str = "in") -> None:
        self.metrics = Metrics(CollectorRegistry())
        self.ledger = Ledger()
        self.router = Router(routes, self.metrics, self.ledger)
        self.intake = Intake(name, limit, self.router, self.metrics)

    def balances(self) -> bool:
        waiting: dict[SinkAccount, int] = {}
        for route in self.router.routes.values():
            for output in route.outputs:
                assert isinstance(output, Sink)
                for one in output._owed:
                    waiting[one.account] = waiting.get(one.account, 0) + len(one)
        accounts = list(self.ledger)
        routes = [one for account in accounts for one in account.routes.values()]
        return not any(one.unaccounted for one in routes) and all(
            one.open == waiting.get(one, 0) + one.waiting
            for account in accounts
            for one in account.accounts
        )


def route(*sinks: Sink, sources: str = "logs", name: str = "all", join: bool = False) -> Route:
    stages = [("join", JOIN)] if join else []
    return Route(name, frozenset(sources.split()), lambda container: True, stages, sinks)


@asynccontextmanager
async def running(fixture: Fixture) -> AsyncIterator[Intake]:
    async with asyncio.TaskGroup() as tasks:
        fixture.intake.tasks = tasks
        flushing = tasks.create_task(fixture.router.flusher.run(), name="flusher")
        try:
            yield fixture.intake
        finally:
            fixture.intake.stop()
            fixture.intake.give_up()
            flushing.cancel()


async def test_entries_keep_their_own_numbers_and_others_get_the_next() -> None:
    sink = Sink("out")
    async with running(Fixture(route(sink))) as intake:
        of = intake.container("f" * 64, "web")
        intake.take([batch("one", "two", of=of, start=7)], 10)
        intake.take([intake.batch(of, [b"three"], [b"t" * 30], b"\1", truncated=[0])], 10)
        assert [list(one.sequences) for one in sink.batches] == [[7, 8], [9]]
        assert sink.batches[1].flags == {9: "truncated"}


async def test_what_a_stage_has_joined_out_of_two_messages_keeps_both_from_being_answered() -> None:
    sink = Sink("out")
    sink.settles = False
    fixture = Fixture(route(sink, join=True))
    async with running(fixture) as intake:
        first = intake.take([batch("begin", "of it", start=1)], 10)
        second = intake.take([batch("the rest", start=3)], 10)
        assert fixture.balances()
        await until(lambda: sink.lines == [b"begin\nof it\nthe rest"])
        assert not first.done() and not second.done()
        sink.settle()
        assert await first.settled() and await second.settled()
        assert fixture.balances()


@pytest.mark.fault(35)
async def test_entries_that_bring_many_labels_each_go_on_in_pieces_and_are_answered_together() -> (
    None
):
    sink = Sink("out")
    sink.settles = False
    of = container(labels={"a" * 100_000: "b" * 100_000})
    lines = [str(number) for number in range(50)]
    fields: list[Fields] = [{"n": number} for number in range(50)]
    async with running(Fixture(route(sink))) as intake:
        taken = intake.take([batch(*lines, of=of, start=7, fields=fields)], 10)
        assert len(sink.batches) > 1
        assert max(one.size for one in sink.batches) <= LARGEST_PIECE + ENTRY_OVERHEAD * 50
        assert sink.lines == [line.encode() for line in lines]
        assert [number for one in sink.batches for number in one.sequences] == list(range(7, 57))
        assert [one for some in sink.batches for one in some.fields or ()] == fields
        sink.settle_one()
        assert not taken.done()
        sink.settle()
        assert await taken.settled()


def test_labels_that_any_container_may_have_count_with_none_of_its_entries() -> None:
    of = container(labels={"a": ""})
    room = USUAL_LABELS - of.facts_size
    usual = batch("line", of=container(labels={"a": "b" * room}))
    assert usual.size == BYTES_OF_A_BATCH + 4 + ENTRY_OVERHEAD
    more = batch("line", of=container(labels={"a": "b" * (room + 1)}))
    assert more.size == usual.size + 1


async def test_a_message_of_several_containers_waits_for_all_of_them() -> None:
    fast, slow = Sink("fast"), Sink("slow")
    slow.settles = False
    routes = (
        Route("a", frozenset({"logs"}), lambda one: one.name == "a", [], [fast]),
        Route("b", frozenset({"logs"}), lambda one: one.name == "b", [], [slow]),
    )
    async with running(Fixture(*routes)) as intake:
        a, b = container("a", number=1), container("b", number=2)
        both = intake.take([batch("one", of=a), batch("two", of=b)], 10)
        other = intake.take([batch("three", of=a)], 10)
        assert other.done() and not both.done()
        slow.settle()
        assert await both.settled()


async def test_messages_of_one_container_are_answered_in_order() -> None:
    sink = Sink("out")
    sink.settles = False
    async with running(Fixture(route(sink))) as intake:
        first, second = (intake.take([batch(text)], 1) for text in ("one", "two"))
        sink.settle_one(1)
        assert not second.done(), "the one before it is not settled"
        sink.settle_one()
        assert first.done() and second.done()


async def test_entries_stay_in_order_while_they_wait_for_room() -> None:
    sink = Sink("out")
    sink.shut()
    fixture = Fixture(route(sink))
    async with running(fixture) as intake:
        taken = [intake.take([batch(str(number), start=number)], 1) for number in range(50)]
        await asyncio.sleep(0.02)
        assert fixture.balances()
        sink.settle()
        await taken[-1].placed()
        assert sink.lines == [str(number).encode() for number in range(50)]
        assert all(one.done() for one in taken)
        assert fixture.balances()


async def test_placed_waits_for_room_for_more() -> None:
    sink = Sink("out")
    sink.settles = False
    async with running(Fixture(route(sink), limit=100)) as intake:
        taken = intake.take([batch("x")], 100)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await taken.placed()
        sink.settle()
        await taken.placed()
        assert intake.bytes == 0


async def test_a_message_of_nothing_is_settled_at_once() -> None:
    async with running(Fixture(route(Sink("out")))) as intake:
        assert await intake.take([], 5).settled()
        assert await intake.take([batch()], 5).settled()
        assert (intake.taken, intake.settled, intake.bytes) == (2, 2, 0)


async def test_what_is_taken_after_the_stop_is_left_to_the_peer() -> None:
    sink = Sink("out")
    async with running(Fixture(route(sink))) as intake:
        intake.stop()
        assert not await intake.take([batch("late")], 5).settled()
        assert sink.lines == []
        assert intake.taken == intake.given_up == 1


async def test_routes_take_what_comes_from_a_source_by_its_name() -> None:
    everything, own, docker = Sink("everything"), Sink("own"), Sink("docker")
    routes = (
        route(everything),
        route(own, sources="hub", name="hub"),
        route(docker, sources="docker", name="docker"),
    )
    async with running(Fixture(*routes, name="hub")) as intake:
        intake.take([batch("log"), batch("event", source="events")], 5)
    assert everything.lines == [b"log"]
    assert own.lines == [b"log", b"event"]
    assert docker.lines == []


async def test_a_bug_in_a_route_loses_one_batch_and_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sink = Sink("out")
    async with running(Fixture(route(sink))) as intake:
        lanes = intake.feeds.of(container())._lanes_of("logs")
        whole = lanes.start
        lanes.start = lambda batch, ack: 1 / 0  # type: ignore[method-assign, assignment, return-value]
        assert intake.take([batch("lost")], 5).done()
        lanes.start = whole  # type: ignore[method-assign]
        assert intake.take([batch("kept")], 5).done()
        assert sink.lines == [b"kept"] and "lost 1 entry of api-1" in caplog.text


async def test_what_there_is_not_enough_memory_for_is_left_to_its_peer_to_send_again(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.intake.feed._shortages", RateLimit())

    def start(batch: Batch, ack: Acknowledgement) -> None:
        raise MemoryError

    sink = Sink("out")
    async with running(Fixture(route(sink))) as intake:
        lanes = intake.feeds.of(container())._lanes_of("logs")
        whole = lanes.start
        lanes.start = start  # type: ignore[method-assign, assignment]
        taken = intake.take([batch("early")], 5)
        assert taken.done() and not await taken.settled()
        lanes.start = whole  # type: ignore[method-assign]
        assert await intake.take([batch("early")], 5).settled()
        assert sink.lines == [b"early"] and "not enough memory" in caplog.text
        assert (intake.bytes, intake.given_up) == (0, 1)


# ----------------------------------------------------------------------------- containers


async def test_the_same_facts_are_the_same_container_and_others_bind_it_anew() -> None:
    sink = Sink("out")
    taken: list[str] = []

    def takes(one: Container) -> bool:
        taken.append(one.name)
        return one.name == "new"

    of_new = Route("new", frozenset({"logs"}), takes, [], [sink])
    async with running(Fixture(of_new)) as intake:
        for name in ("old", "old", "new", "new"):
            of = intake.container("a" * 64, name, "image", {"a": "b"}, "host")
            intake.take([batch(name, of=of)], 1)
        assert sink.lines == [b"new", b"new"]
        assert set(taken) == {"old", "new"}
        assert len({id(one.container) for one in sink.batches}) == 1
        assert intake.container("a" * 64, "new", "image", {"a": "b"}, "host") is (
            sink.batches[0].container
        )


async def test_an_id_that_is_none_of_dockers_stands_for_itself_and_the_source() -> None:
    one, other = Fixture(name="one").intake, Fixture(name="other").intake
    ids = {intake.container(key, "x").id for intake in (one, other) for key in ("a", "b", "a" * 63)}
    assert len(ids) == 6 and all(len(found) == 64 for found in ids)
    assert one.container("a", "x").id == one.container("a", "y").id


async def test_lanes_of_a_hundred_thousand_containers_do_not_pile_up() -> None:
    sink = Sink("out")
    fixture = Fixture(route(sink))
    fixture.intake.feeds._most = 50
    async with running(fixture) as intake:
        for number in range(2000):
            assert intake.take([batch("x", of=container(f"c{number}", number=number))], 1).done()
            sink.batches.clear()
        assert len(intake.feeds) == 50
        assert fixture.balances()
        assert len(fixture.ledger.containers) <= 50 + 2
        assert len(fixture.router._origins) == 50
        read = sum(page.read["logs"] for page in fixture.ledger)
        assert read == 2000
        text = json.dumps(sorted(intake.feeds._names))
        assert "c1999" in text and "c1000" not in text


async def test_the_facts_of_all_containers_have_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "MOST_FACTS", 10_000)
    sink = Sink("out")
    fixture = Fixture(route(sink))
    async with running(fixture) as intake:

        def take(number: int, size: int) -> None:
            of = container("c", number=number, labels={"a": "b" * size})
            assert intake.take([batch("x", of=of)], 1).done()

        for number in range(100):
            take(number, 900)
        assert len(intake.feeds) == 10
        take(99, 20_000)
        assert [*intake.feeds._feeds] == [container(number=99).id], "the one in use stays"
        for number in range(100):
            take(number, 900)
        assert len(intake.feeds) == 10
        intake.feeds.end()
        assert intake.feeds._facts == 0


async def test_lanes_that_are_let_go_let_go_of_what_they_hold() -> None:
    sink = Sink("out")
    fixture = Fixture(route(sink, join=True))
    fixture.intake.feeds._most = 1
    async with running(fixture) as intake:
        held = intake.take([batch("begin", of=container(number=1))], 1)
        assert not held.done()
        intake.take([batch("begin", of=container(number=2))], 1)
        assert held.done() and sink.lines == [b"begin"]


async def test_lanes_that_nothing_comes_through_any_more_are_let_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sink = Sink("out")
    fixture = Fixture(route(sink))
    async with running(fixture) as intake:
        intake.take([batch("x")], 1)
        intake.feeds.sweep()
        assert len(intake.feeds) == 1
        monkeypatch.setattr(feeds, "IDLE", -1.0)
        intake.feeds.sweep()
        assert len(intake.feeds) == 0
        sink.shut()
        intake.take([batch("y")], 1)
        intake.feeds.sweep()
        assert len(intake.feeds) == 1, "it waits for room"
        sink.settle()
        await intake.placed()
        assert sink.lines == [b"x", b"y"] and fixture.balances()


async def test_what_is_let_go_is_gone_at_once_and_leaves_the_garbage_collector_nothing() -> None:
    sink = Sink("out")
    fixture = Fixture(route(sink, join=True))

    def take(number: int) -> weakref.ref[Container]:
        of = container(f"made-up-{number}", number=number)
        fixture.intake.take([batch("begin", "more", of=of)], 10)
        return weakref.ref(of)

    gc.disable()
    try:
        async with running(fixture) as intake:
            known = [take(number) for number in range(20)]
            pages = [weakref.ref(page) for page in fixture.ledger.containers.values()]
            intake.feeds.end()
            await intake.placed()
            assert len(sink.lines) == 20 and fixture.balances()
            sink.batches.clear()
            fixture.ledger.fold()
            assert [one() for one in (*known, *pages)] == [None] * 40
    finally:
        gc.enable()


async def test_series_of_many_containers_are_counted_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(feeds, "MOST_SERIES", 3)
    fixture = Fixture(route(Sink("out")))
    async with running(fixture) as intake:
        for number in range(10):
            intake.take([batch("x", of=container(f"c{number}", number=number))], 1)
        intake.take([batch("x", of=container("c0", number=0))], 1)
        assert received(fixture) == {"c0": 2, "c1": 1, "c2": 1, "(others)": 7}
        intake.feeds.end()
        assert received(fixture) == {"(others)": 7}


def received(fixture: Fixture) -> dict[str, float]:
    samples = (s for metric in fixture.metrics.received.collect() for s in metric.samples)
    return {sample.labels["container"]: sample.value for sample in samples}


async def test_a_container_that_two_sources_have_is_accounted_for() -> None:
    sink = Sink("out")
    fixture = Fixture(route(sink), route(sink, sources="other", name="of other"))
    other = Intake("other", 1 << 20, fixture.router, fixture.metrics)
    async with running(fixture) as intake:
        for number in range(3):
            intake.take([batch("a", start=number)], 1)
            other.take([batch("b", start=number)], 1)
        intake.feeds.end()
        other.take([batch("c", start=9)], 1)
        assert fixture.balances()
        other.feeds.end()
        assert fixture.balances()
        assert sorted(sink.lines) == [b"a"] * 3 + [b"b"] * 6 + [b"c"] * 2


# --------------------------------------------------------------------------------- taking


async def test_what_is_taking_ends_with_the_stop_and_its_task_goes_on() -> None:
    intake = Fixture().intake
    went_on = []

    async def take() -> None:
        async with intake.taking():
            await asyncio.sleep(60)
        await asyncio.sleep(0)
        went_on.append(True)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(take(), name="waits")
        await asyncio.sleep(0)
        intake.stop()
        tasks.create_task(take(), name="comes late")
    assert went_on == [True, True]


async def test_who_has_nothing_to_wait_for_is_not_cancelled_afterwards() -> None:
    intake = Fixture().intake
    intake.stop()
    async with intake.taking():
        pass
    await asyncio.sleep(0)
    task = asyncio.current_task()
    assert task is not None and task.cancelling() == 0


async def test_a_cancellation_from_outside_is_not_taken_for_the_stop() -> None:
    intake = Fixture().intake

    async def take() -> None:
        async with intake.taking():
            await asyncio.sleep(60)

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(take(), name="waits")
        await asyncio.sleep(0)
        intake.stop()
        task.cancel()
    assert task.cancelled()


async def test_errors_inside_are_raised_though_it_stops() -> None:
    intake = Fixture().intake
    intake.stop()
    with pytest.raises(ZeroDivisionError):
        async with intake.taking():
            _ = 1 / 0


@pytest.mark.parametrize("fields", [None, [{"a": 1, "b": "text"}]])
async def test_batches_of_one_line_take_no_more_memory_than_they_count(fields: Any) -> None:
    sink = Sink("out")
    sink.settles = False
    fixture = Fixture(route(sink))
    of = [container(f"c-{number}", number=number) for number in range(20)]

    def take(numbers: range) -> None:
        for number in numbers:
            line = b"a line of some length, its number is %d" % number
            one = batch(line, of=of[number % 20], start=number, fields=fields)
            fixture.intake.take([one], len(line))

    async with running(fixture):
        take(range(100))
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            take(range(100, 1100))
            gc.collect()
            took = tracemalloc.get_traced_memory()[0] - before
        finally:
            tracemalloc.stop()
        assert len(sink.batches) == 1100
        counted = sum(one.size for one in sink.batches[100:])
        assert counted / 2 < took < 1.2 * counted
        sink.settle()


async def test_however_much_of_a_container_waits_for_room_one_task_places_it_in_order() -> None:
    sink = Sink("out")
    fixture = Fixture(route(sink))
    async with running(fixture) as intake:
        sink.shut()
        of = container()
        taken = [intake.take([batch(f"{n}", of=of, start=n)], 10) for n in range(500)]
        assert len(intake._placing) == 1
        placed = asyncio.gather(*(one.placed() for one in taken))
        await asyncio.sleep(0.05)
        assert not placed.done() and not any(one.done() for one in taken)
        sink.settle()
        await placed
        assert sink.lines == [b"%d" % number for number in range(500)]
        assert all(one.is_settled for one in taken) and intake.bytes == 0
        assert fixture.balances() and not intake._placing
        assert intake.take([batch("after", of=of, start=500)], 10).done()


async def test_what_settling_brings_while_the_last_is_placed_is_placed_as_well() -> None:
    sink = Sink("out")
    fixture = Fixture(route(sink))
    async with running(fixture) as intake:
        of = container()
        sink.shut()
        further = []

        def more(settled: bool) -> None:
            sink.shut()
            further.append(intake.take([batch("second", of=of, start=1)], 10))

        intake.take([batch("first", of=of)], 10).when_settled(more)
        sink.settle()
        await until(lambda: further)
        assert not further[0].done()
        sink.settle()
        await asyncio.wait_for(further[0].placed(), 60)
        await until(lambda: further[0].is_settled)
        assert sink.lines == [b"first", b"second"] and fixture.balances()


@pytest.mark.parametrize("turns", [1, 3])
async def test_what_waits_and_is_given_up_keeps_nobody_waiting(turns: int) -> None:
    sink = Sink("out")
    async with running(Fixture(route(sink))) as intake:
        sink.shut()
        of = container()
        taken = [intake.take([batch("x", of=of, start=n)], 10) for n in range(3)]
        for _ in range(turns):
            await asyncio.sleep(0)
        intake.give_up()
        assert await asyncio.wait_for(asyncio.gather(*(one.settled() for one in taken)), 60) == (
            [False] * 3
        )
        await asyncio.wait_for(asyncio.gather(*(one.placed() for one in taken)), 60)
        assert intake.bytes == 0


async def test_of_many_containers_those_of_which_nothing_comes_are_let_go_sooner(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(feeds, "MANY", 10)
    sink = Sink("out")
    fixture = Fixture(route(sink))

    def take(number: int) -> None:
        of = container(f"made-up-{number}", number=number)
        fixture.intake.take([batch("x", of=of)], 10)

    async with running(fixture) as intake:
        for number in range(30):
            take(number)
        assert len(intake.feeds) == 30
        pass_time(feeds.IDLE_OF_MANY)
        take(0)
        for number in range(30, 40):
            take(number)
            assert len(intake.feeds) <= 30
        assert len(intake.feeds) == 11
        assert container(number=0).id in intake.feeds
    assert len(sink.lines) == 41
    assert fixture.balances()


async def test_a_container_is_few_objects_for_the_garbage_collector_to_look_at() -> None:
    """Ten thousand may be made up, and it looks at all of them in one turn of the event loop."""
    sinks = [Sink(name) for name in "abcd"]
    logs = frozenset({"logs"})
    first = Route("first", logs, lambda container: True, [("parse", PARSE)], sinks[:3])
    second = Route("second", logs, lambda container: True, [], sinks[3:])
    fixture = Fixture(first, second)
    encoder = JsonEncoder(host="here")
    known: list[Container] = []

    async def take(numbers: range) -> None:
        for number in numbers:
            of = container(f"made-up-{number}", number=number)
            known.append(of)
            fixture.intake.take([batch(f'{{"n":{number}}}', of=of)], 10)
            await until(lambda: all(sink.batches for sink in sinks))
            for sink in sinks:
                encoder.encode(sink.batches)
                sink.batches.clear()

    def tracked() -> int:
        gc.collect()
        return len(gc.get_objects())

    async with running(fixture):
        await take(range(feeds.MOST_SERIES))  # of those there are series, and of others none
        before = tracked()
        await take(range(feeds.MOST_SERIES, feeds.MOST_SERIES + 500))
        assert 10 < (tracked() - before) / 500 < 36
