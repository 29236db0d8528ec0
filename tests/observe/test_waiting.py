"""What waits in the sinks' buffers."""

from __future__ import annotations

import time
from collections.abc import Collection

import pytest

from pipeline.accounting.ledger import Ledger, SinkAccount
from pipeline.observe.waiting import MOST, Undelivered, Waiting
from pipeline.support.selector import Pause
from tests.observe.test_overview import Kept, old


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing gets older than a test says."""
    monkeypatch.setattr(time, "time", lambda: 1_800_000_000.0)


async def found(
    ledger: Ledger, *buffers: Kept, spooled: Collection[SinkAccount] = ()
) -> list[Undelivered]:
    """What waits of each container, with lags in whole seconds."""
    named = dict(zip(("out", "other"), buffers, strict=False))
    waiting = await Waiting.find(named, lambda: spooled, Pause())
    accounts = ledger.containers.values()
    return [one._replace(lag=round(one.lag)) for one in map(waiting.of, accounts)]


def lags(all_: list[Undelivered]) -> list[float]:
    return [one.lag for one in all_]


async def test_lag_is_the_age_of_a_containers_oldest_entry_in_any_buffer() -> None:
    ledger = Ledger()
    one, two, three = old(20, 1, ledger), old(20, 2, ledger), old(30, 1, ledger)
    assert lags(await found(ledger, Kept(one, two), Kept(three))) == [30, 20]


async def test_of_a_container_far_back_in_a_long_buffer_the_lag_is_the_sinks() -> None:
    ledger = Ledger()
    first, last = old(30, 1, ledger), old(20, 2, ledger)
    assert lags(await found(ledger, Kept(*[first] * MOST, last))) == [30, 30]
    assert lags(await found(ledger, Kept(*[first] * (MOST - 1), last))) == [30, 20]


async def test_of_a_container_with_entries_on_disk_the_lag_is_the_sinks() -> None:
    ledger = Ledger()
    kept = [old(30, 1, ledger), old(20, 2, ledger), old(10, 3, ledger)]
    spooled = {kept[2].account}
    assert lags(await found(ledger, Kept(*kept), spooled=spooled)) == [30, 20, 30]


async def test_what_was_dropped_or_delivered_does_not_wait() -> None:
    ledger = Ledger()
    one, two = old(30, 1, ledger), old(20, 2, ledger)
    one.account.drop(1, "refused")
    two.account.delivered += 1
    assert await found(ledger, Kept()) == [Undelivered(1, 0, 0.0), Undelivered(0, 0, 0.0)]


async def test_a_long_buffer_may_change_while_it_is_looked_at() -> None:
    ledger = Ledger()
    buffer = Kept(*[old(30, 1, ledger)] * MOST)

    class Taking(Pause):
        async def __call__(self) -> None:
            buffer.kept.clear()

    waiting = await Waiting.find({"out": buffer}, tuple, Taking())
    (account,) = ledger.containers.values()
    assert round(waiting.of(account).lag) == 30
