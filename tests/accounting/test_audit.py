"""The report balances at every moment, and does not when somebody forgets an entry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pipeline.accounting.audit import AuditReport, LedgerMetrics, SinkPart
from pipeline.model.batch import Batch
from pipeline.model.component import Payload
from pipeline.model.errors import Refused
from pipeline.sinks import file
from pipeline.stages import drop, join, split
from pipeline.testing.builders import batch
from tests.accounting.world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def test_it_balances_at_every_moment(world: World) -> None:
    await world.run()
    assert len(world.reports) > 20
    assert all(one.balanced for one in world.reports)
    assert any(_part(one, "out").buffered for one in world.reports)
    assert await world.of("out") == SinkPart("out", routed=100, delivered=100)
    assert world.unaccounted("out") == 0


@pytest.fixture
def splitting(tmp_path: Path) -> World:
    dropping = drop.Stage('message == "x"')
    stages = [("split", split.Stage("message")), ("drop", dropping), ("join", join.Stage("indent"))]
    return World(tmp_path, stages)


async def test_it_balances_while_entries_are_split_dropped_and_joined_again(
    splitting: World,
) -> None:
    world = splitting
    await world.run(lines=['["a"," b","x","c"]', "d", "x", "[]", '["e","x"]'])
    assert all(one.balanced for one in world.reports)
    (route,) = (await world.report()).containers[0].routes
    assert route.made == {"split": 20 * 4}
    assert route.filtered == {"drop": 20 * 3, "join": 20}
    made = world.metrics.registry.get_sample_value(
        "dockline_made_entries_total", {"route": "r", "stage": "split"}
    )
    assert made == 80
    assert (await world.of("out")).routed == 20 * (5 + 4 - 3 - 1) - route.held
    assert world.unaccounted("out") == 0


async def test_it_balances_while_some_entries_are_refused_and_dead_lettered(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = world.out.delivery._sink
    encode = sink.encode

    def picky(batches: Sequence[Batch]) -> Payload[Any]:
        payload = encode([one.pick(range(1, len(one))) for one in batches])
        payload.refused = [(one, 0, "it begins with a") for one in batches]
        return payload

    monkeypatch.setattr(sink, "encode", picky)
    await world.run()
    assert all(one.balanced for one in world.reports)
    assert await world.of("out") == SinkPart("out", routed=100, delivered=80, dead_lettered=20)
    assert await world.of("rejected") == SinkPart("rejected", letters=20, delivered=20)


async def test_it_balances_when_whole_payloads_are_refused_and_nobody_takes_them(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.out.dead_letter = None

    async def refuse(self: file.File, payload: Payload[Any]) -> None:
        raise Refused("no")

    monkeypatch.setattr(file.File, "send", refuse)
    await world.run()
    assert all(one.balanced for one in world.reports)
    assert await world.of("out") == SinkPart("out", routed=100, dropped={"refused": 100})


async def test_a_sink_that_forgets_entries_is_found_out(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode = file.File.encode

    def forgetful(self: file.File, batches: Sequence[Batch]) -> Payload[Any]:
        return encode(self, [*batches[:-1], batches[-1].pick([0, 1, 2])])

    monkeypatch.setattr(file.File, "encode", forgetful)
    await world.run(batches=1)
    assert not (await world.report()).balanced
    assert (await world.of("out")).unaccounted == 2
    assert world.unaccounted("out") == 2
    assert world.unaccounted("rejected") == 0


async def test_a_buffer_that_forgets_a_batch_is_found_out(world: World) -> None:
    await world.lanes.distribute(batch("a", "b", start=1))
    assert (await world.report()).balanced
    world.out.buffer._waiting.clear()  # type: ignore[union-attr]
    assert (await world.of("out")).unaccounted == 2


async def test_a_batch_that_is_in_two_places_is_found_out(world: World) -> None:
    await world.lanes.distribute(batch("a", "b", start=1))
    waiting = world.out.buffer._waiting  # type: ignore[union-attr]
    waiting.append(waiting[0])
    assert (await world.of("out")).unaccounted == -2


async def test_a_lane_that_skips_a_sink_is_found_out(world: World) -> None:
    for lane in world.lanes:
        lane.lane_ends = []
    await world.lanes.distribute(batch("a", "b", start=1))
    (one,) = (await world.report()).containers
    assert [route.unaccounted for route in one.routes] == [2]
    assert not (await world.report()).balanced


async def test_series_say_what_became_of_a_containers_entries(world: World) -> None:
    await world.run(batches=2)
    labels = {"container": "api-1", "route": "r", "sink": "out", "outcome": "delivered"}
    value = world.metrics.registry.get_sample_value
    assert value("dockline_container_entries_total", labels) == 10


async def test_containers_beyond_the_bound_share_their_series(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.accounting.audit.MOST_SERIES", 2)
    for number in range(5):
        container_account = world.ledger.container(f"{number}", f"web-{number}")
        container_account.route("logs", "r").sink("out").delivered = 1
    families = {family.name: family for family in world.metrics.registry.collect()}
    samples = families["dockline_container_entries"].samples
    names = Counter(sample.labels["container"] for sample in samples)
    assert names == {"api-1": 1, "web-0": 1, "(others)": 1}
    assert sum(sample.value for sample in samples) == 5


def _part(one: AuditReport, sink: str) -> SinkPart:
    (part,) = (
        part for route in one.containers[0].routes for part in route.sinks if part.sink == sink
    )
    return part


async def test_the_figures_of_one_scrape_are_of_one_moment(world: World) -> None:
    """A scrape lets the event loop turn between two families."""
    await world.lanes.distribute(batch("a", start=1))
    families = LedgerMetrics(world.ledger, world._entries).collect()
    next(families)
    await world.lanes.distribute(batch("b", "c", start=2))
    unaccounted = next(families)
    assert [sample.value for sample in unaccounted.samples] == [0, 0]
