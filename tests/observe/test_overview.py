"""What is told of a running agent, for rates."""

from __future__ import annotations

import asyncio
import time

import pytest
from prometheus_client import CollectorRegistry

from pipeline.accounting.envelope import Envelope
from pipeline.accounting.ledger import Ledger, add
from pipeline.model.metrics import Metrics
from pipeline.model.timestamps import timestamp
from pipeline.observe.overview import Observer, Overview, SinkNow
from pipeline.testing.builders import batch, container


class Kept:
    """A buffer."""

    def __init__(self, *envelopes: Envelope) -> None:
        self.kept = list(envelopes)

    def envelopes(self) -> list[Envelope]:
        return self.kept

    def oldest(self) -> bytes | None:
        return min((one.batch.times[0] for one in self.kept), default=None)


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing gets older than a test says."""
    monkeypatch.setattr(time, "time", lambda: 1_800_000_000.0)


def old(seconds: float, number: int, ledger: Ledger) -> Envelope:
    """A batch of one entry of a container, and its account."""
    of = container(f"api-{number}", number=number)
    container_account = ledger.container(of.id, of.name)
    container_account.followed = True
    route_account = container_account.route("logs", "all")
    add(container_account.read, "logs", 1)
    route_account.taken += 1
    account = route_account.sink("out")
    account.routed += 1
    times = [timestamp(time.time() - seconds)]
    return Envelope(batch("x", of=of).replace(times=times), account)


async def seen(ledger: Ledger, metrics: Metrics, buffer: Kept | None = None) -> Overview:
    buffers = {"out": buffer or Kept()}
    sinks = [SinkNow("out", "file"), SinkNow("other", "file")]
    return await Observer(ledger, metrics, ["all"], lambda: sinks, buffers).overview("")


async def test_counters_of_sinks_routes_and_containers() -> None:
    ledger, metrics = Ledger(), Metrics(CollectorRegistry())
    one = old(5, 1, ledger)
    metrics.received_bytes.labels("api-1").inc(77)
    metrics.delivered.labels("out").inc(3)
    metrics.delivered_bytes.labels("out").inc(300)
    metrics.retried.labels("out").inc(2)
    metrics.dead_lettered.labels("out").inc(1)
    metrics.dropped.labels("out", "refused").inc(4)
    metrics.dropped.labels("other", "drop_newest").inc(5)
    metrics.filtered.labels("all", "keep").inc(6)
    metrics.filtered.labels("removed", "keep").inc(6)
    metrics.filtered.labels("all", "set")
    one.account.drop(1, "refused")
    found = await seen(ledger, metrics)
    out, other = found.sinks
    assert (out.delivered, out.delivered_bytes, out.retried, out.dead_lettered) == (3, 300, 2, 1)
    assert (out.dropped, other.dropped) == ({"refused": 4}, {"drop_newest": 5})
    [route] = found.routes
    assert (route.taken, route.filtered) == (1, {"keep": 6})
    [api] = found.containers
    assert (api.name, api.lines, api.bytes, api.dropped, api.waiting) == ("api-1", 1, 77, 1, 0)


async def test_a_removed_container_is_listed_until_its_entries_are_delivered() -> None:
    ledger, metrics = Ledger(), Metrics(CollectorRegistry())
    one = old(30, 1, ledger)
    ledger.forget(one.batch.container.id)
    assert len((await seen(ledger, metrics, Kept(one))).containers) == 1
    one.account.delivered += 1
    ledger.fold()
    found = await seen(ledger, metrics)
    assert found.containers == []
    assert found.routes[0].taken == 1


async def test_what_a_route_took_is_counted_once_while_containers_are_removed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pipeline.support.selector.SLICE", 0.0)
    ledger, metrics = Ledger(), Metrics(CollectorRegistry())
    envelopes = [old(5, number, ledger) for number in range(40)]
    for number in (0, 1):
        envelopes[number].account.delivered += 1
        ledger.forget(envelopes[number].batch.container.id)
    turns = 0

    async def remove() -> None:
        nonlocal turns
        for one in reversed(envelopes[2:]):
            await asyncio.sleep(0)
            turns += 1
            one.account.delivered += 1
            ledger.forget(one.batch.container.id)

    removing = asyncio.get_running_loop().create_task(remove())
    found = await seen(ledger, metrics)
    assert turns > 20, "the loop turns meanwhile"
    await removing
    assert found.routes[0].taken == 40
    assert 0 < len(found.containers) < 38
    assert (await seen(ledger, metrics)).routes[0].taken == 40
