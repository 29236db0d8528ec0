"""Which lanes a container has, and what a batch goes through."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client import CollectorRegistry

from pipeline.batch import Batch, Container
from pipeline.component import Stage
from pipeline.ledger import Account
from pipeline.metrics import Metrics
from pipeline.route import Lane, Outlet, Route, Router, distribute, offer
from pipeline.testing.builders import batch, container


class Kept:
    """An outlet with room for `room` batches; the others wait until `make_room`."""

    def __init__(self, room: int = 100) -> None:
        self.room = room
        self.batches: list[Batch] = []
        self.roomy = asyncio.Event()

    def offer(self, one: Batch) -> bool:
        if len(self.batches) >= self.room:
            return False
        self.batches.append(one)
        return True

    async def put(self, one: Batch) -> None:
        await self.roomy.wait()
        self.batches.append(one)

    @property
    def lines(self) -> list[bytes]:
        return [line for one in self.batches for line in one.lines]


class Without(Stage):
    """Filters out entries that hold a text."""

    def __init__(self, text: bytes) -> None:
        super().__init__(text)
        self.text = text

    def __call__(self, one: Batch) -> Batch | None:
        return one.select([self.text not in line for line in one.lines])


class Broken(Stage):
    def __call__(self, one: Batch) -> Batch | None:
        raise ZeroDivisionError


class Marking(Stage):
    """Changes fields in place, as stages may."""

    def __call__(self, one: Batch) -> Batch | None:
        for fields in one.fields or []:
            fields["marked"] = True
        return one


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(CollectorRegistry())


def route(
    *outlets: Outlet, stages: tuple[tuple[str, Stage], ...] = (), only: str = "", name: str = "r"
) -> Route:
    def takes(one: Container) -> bool:
        return only in one.name

    return Route(name, frozenset(["logs"]), takes, stages, outlets)


def test_a_container_has_a_lane_for_each_route_that_takes_it_and_its_source(
    metrics: Metrics,
) -> None:
    router = Router([route(only="api"), route(only="web", name="w")], metrics)
    assert [lane.route.name for lane in router.lanes(container("api-1"), "logs")] == ["r"]
    assert router.lanes(container("api-1"), "events") == []


def test_what_a_stage_filters_is_counted_for_that_stage(metrics: Metrics) -> None:
    stages = (("keep", Without(b"b")), ("drop", Without(b"c")))
    lane = Lane(route(stages=stages), container(), metrics)
    left = lane.process(batch("a", "b", "c", "bc"))
    assert left is not None
    assert left.lines == [b"a"]
    value = metrics.registry.get_sample_value
    name = "dockline_filtered_entries_total"
    assert value(name, {"route": "r", "stage": "keep"}) == 2
    assert value(name, {"route": "r", "stage": "drop"}) == 1
    assert lane.process(batch("b", "b")) is None
    assert value(name, {"route": "r", "stage": "keep"}) == 4


def test_a_stage_that_fails_is_skipped_and_counted_and_the_entries_go_on(
    metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    stages = (("broken", Broken(None)), ("drop", Without(b"b")))
    left = Lane(route(stages=stages), container(), metrics).process(batch("a", "b"))
    assert left is not None
    assert left.lines == [b"a"]
    labels = {"route": "r", "stage": "broken"}
    assert metrics.registry.get_sample_value("dockline_stage_errors_total", labels) == 1
    assert "broken" in caplog.text


def test_a_stage_that_fails_on_every_batch_is_counted_each_time_and_said_once(
    metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    lane = Lane(route(stages=(("broken", Broken(None)),)), container(), metrics)
    for _ in range(100):
        lane.process(batch("a"))
    labels = {"route": "r", "stage": "broken"}
    assert metrics.registry.get_sample_value("dockline_stage_errors_total", labels) == 100
    assert len(caplog.records) == 1


def test_a_lane_that_changes_fields_changes_them_for_itself_alone(metrics: Metrics) -> None:
    one = batch("a", fields=[{"n": 1}])
    marked = Lane(route(stages=(("mark", Marking(None)),)), container(), metrics).process(one)
    assert marked is not None
    assert marked.fields == [{"n": 1, "marked": True}]
    assert one.fields == [{"n": 1}]


async def test_a_buffer_with_room_has_the_batch_before_a_full_one_is_waited_for(
    metrics: Metrics,
) -> None:
    full, roomy = Kept(room=0), Kept()
    lanes = [Lane(route(full, roomy), container(), metrics)]
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(distribute(lanes, batch("a")))
        await asyncio.sleep(0)
        assert roomy.lines == [b"a"]
        assert full.lines == []
        full.roomy.set()
    assert full.lines == [b"a"]


async def test_of_two_full_buffers_the_one_that_has_room_first_gets_the_batch_first(
    metrics: Metrics,
) -> None:
    dead, slow = Kept(room=0), Kept(room=0)
    lanes = [Lane(route(dead, slow), container(), metrics)]
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(distribute(lanes, batch("a")))
        await asyncio.sleep(0)
        slow.roomy.set()
        for _ in range(5):
            await asyncio.sleep(0)
        assert slow.lines == [b"a"]
        assert dead.lines == []
        dead.roomy.set()
    assert dead.lines == [b"a"]


async def test_a_place_that_fails_holds_nothing_for_ever(metrics: Metrics) -> None:
    class Failing(Kept):
        def offer(self, one: Batch) -> bool:
            raise ZeroDivisionError

    moved: list[int] = []
    account: Account[int] = Account(moved.append)
    receipt = account.open(1)
    lanes = [Lane(route(Failing()), container(), metrics)]
    with pytest.raises(ZeroDivisionError):
        await distribute(lanes, batch("a", acknowledgement=receipt))
    receipt.settle()
    assert moved == [1]


async def test_each_place_holds_the_batch_and_a_filtered_one_is_settled_at_once(
    metrics: Metrics,
) -> None:
    moved: list[int] = []
    account: Account[int] = Account(moved.append)
    first, second = Kept(), Kept()
    lanes = [
        Lane(route(first, second), container(), metrics),
        Lane(route(Kept(), stages=(("drop", Without(b"a")),)), container(), metrics),
    ]
    receipt = account.open(1)
    await distribute(lanes, batch("a", acknowledgement=receipt))
    receipt.settle()
    assert moved == []
    for outlet in (first, second):
        outlet.batches[0].acknowledgement.settle()
    assert moved == [1]


def test_an_offer_never_waits_and_says_how_many_had_no_room(metrics: Metrics) -> None:
    full, roomy = Kept(room=0), Kept()
    assert offer([Lane(route(full, roomy), container(), metrics)], batch("a")) == 1
    assert roomy.lines == [b"a"]
