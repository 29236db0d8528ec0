"""The hosts that sources bring: their containers, lines and rates."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from prometheus_client import CollectorRegistry

from pipeline.accounting.ledger import Ledger
from pipeline.intake.runner import SourceRunner
from pipeline.model.component import SourceContext
from pipeline.model.metrics import Metrics
from pipeline.page import hosts as module
from pipeline.page.hosts import Host, Hosts
from pipeline.page.names import LONGEST
from pipeline.sources.nats import Config
from pipeline.testing.builders import batch, container
from pipeline.testing.intake_room import Sink
from pipeline.topology import Route, Router


class Hub:
    """Sources whose messages the test hands in."""

    def __init__(self, *sources: str, accounts: int = 10_000) -> None:
        self.ledger = Ledger(accounts)
        metrics, sink = Metrics(CollectorRegistry()), Sink("out")
        route = Route("all", frozenset({"logs"}), lambda container: True, [], [sink])
        router = Router([route], metrics, self.ledger)
        config = Config(type="nats", urls=["nats://127.0.0.1:1"])
        self.runners = [
            SourceRunner(config, SourceContext(name, "hub-a"), router, metrics)
            for name in sources or ("queue",)
        ]
        self.hosts = Hosts(self.ledger)

    def take(self, lines: int, *, number: int = 1, host: str = "web-1", source: int = 0) -> None:
        """Lines of the container with that number."""
        of = container(f"c{number}", number=number, host=host)
        self.runners[source].intake.take([batch(*["x"] * lines, of=of, start=1)], 100)

    async def look(self) -> list[Host]:
        found, others = await self.hosts.look(self.runners)
        assert others == 0
        return found


@asynccontextmanager
async def hub(*sources: str, accounts: int = 10_000) -> AsyncIterator[Hub]:
    made = await asyncio.to_thread(lambda: Hub(*sources, accounts=accounts))
    yield made
    for runner in made.runners:
        runner.intake.feeds.end()


async def test_a_host_has_its_containers_their_lines_and_when_the_last_came() -> None:
    async with hub() as one:
        before = time.time()
        one.take(3, number=1)
        one.take(4, number=2)
        one.take(5, number=3, host="web-2")
        one.take(1, number=4, host="")
        nameless, first, second = await one.look()
        assert (first.name, first.containers, first.lines) == ("web-1", 2, 7)
        assert (second.name, second.containers, second.lines) == ("web-2", 1, 5)
        assert (nameless.name, nameless.lines) == ("", 1), "whose senders name no host"
        assert first.sources == ["queue"]
        assert before - 0.1 < first.last < time.time() + 0.1


async def test_a_rate_needs_two_looks_and_counts_only_what_came_between() -> None:
    async with hub() as one:
        one.take(100)
        (first,) = await one.look()
        assert first.lines_per_second is None
        one.take(40)
        one.take(1000, number=2)
        one.take(10, number=3, host="new")
        await asyncio.sleep(0.1)
        new, second = await one.look()
        assert second.lines == 1140
        assert second.lines_per_second is not None
        assert 0 < second.lines_per_second <= 400, "without a container that is new"
        assert new.lines_per_second is None, "when its lines came is not known"
        await asyncio.sleep(0.01)
        new, second = await one.look()
        assert (new.lines_per_second, second.lines_per_second) == (0.0, 0.0)


async def test_a_look_that_is_old_says_nothing_of_now(monkeypatch: pytest.MonkeyPatch) -> None:
    async with hub() as one:
        one.take(100)
        await one.look()
        monkeypatch.setattr(module, "OLD", 0.0)
        (host,) = await one.look()
        assert host.lines_per_second is None


async def test_a_container_that_two_sources_bring_counts_once() -> None:
    async with hub("a", "b") as one:
        one.take(3)
        one.take(4, source=1)
        (host,) = await one.look()
        assert (host.containers, host.lines, host.sources) == (1, 7, ["a", "b"])


async def test_lines_are_not_known_where_containers_share_an_account() -> None:
    async with hub(accounts=1) as one:
        one.take(3, number=1)
        one.take(4, number=2, host="web-2")
        one.take(5, number=3)
        first, second = await one.look()
        assert (first.containers, first.lines) == (2, None)
        assert (second.containers, second.lines, second.lines_per_second) == (1, None, None)


async def test_beyond_a_thousand_hosts_those_with_the_most_lines_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MOST", 3)
    async with hub() as one:
        for number in range(10):
            one.take(number + 1, number=number, host=f"web-{number}")
        found, others = await one.hosts.look(one.runners)
        assert [host.name for host in found] == ["web-7", "web-8", "web-9"]
        assert others == 7


@pytest.mark.parametrize(
    "name", ["<b>", "a\x1b[2J", "\u202eevil", "\ud800", "\r\n", '"', "y" * 4096]
)
async def test_a_hostile_name_is_one_line_of_bounded_length(name: str) -> None:
    async with hub() as one:
        one.take(1, host=name)
        (host,) = await one.look()
        assert len(host.name) <= LONGEST
        assert not set(host.name) & set("\x1b\u202e\ud800\r\n")
        host.name.encode()


async def test_a_walk_lets_the_loop_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.support.selector.SLICE", 0.0)
    async with hub() as one:
        for number in range(50):
            one.take(1, number=number)
        turns = 0
        async with asyncio.TaskGroup() as tasks:
            look = tasks.create_task(one.look(), name="look")
            while not look.done():
                await asyncio.sleep(0)
                turns += 1
                if turns == 10:
                    one.runners[0].intake.feeds.end()  # while somebody looks
        assert turns >= 50
        assert look.result()[0].containers == 50
