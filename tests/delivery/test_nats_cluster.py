"""What hubs lose and repeat behind three nats-servers that each have all messages, of which one is
killed, or stops to lead: nothing is lost, and each container's entries stay in order."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from nats.aio.client import Client
from prometheus_client import CollectorRegistry

from pipeline.accounting.envelope import Envelope
from pipeline.accounting.ledger import Ledger
from pipeline.buffer.columns import ColumnCodec
from pipeline.encode.nats.messages import ColumnsMessages
from pipeline.encode.nats.subject import Subjects
from pipeline.intake import runner as module
from pipeline.intake.runner import SourceRunner
from pipeline.model.component import Duration, SourceContext
from pipeline.model.metrics import Metrics
from pipeline.sources.nats import Config
from pipeline.testing.builders import batch, container
from pipeline.testing.intake_room import Sink, until
from pipeline.topology import Route, Router
from tests.servers.nats_cluster import NatsCluster

pytestmark = [pytest.mark.server, pytest.mark.slow]

PARTITIONS = 8
CONTAINERS = [container(f"c{number}", number=number) for number in range(24)]
ACK_WAIT = 3.0


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_WAIT", 0.05)
    monkeypatch.setattr(module, "LONGEST_WAIT", 0.5)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[NatsCluster]:
    with NatsCluster(tmp_path) as one:
        yield one


class Store(Sink):
    """Takes what all hubs deliver, in the order in which they do, and answers a little later."""

    def __init__(self, came: list[tuple[str, int]]) -> None:
        super().__init__("out")
        self.settles = False
        self._came = came

    def offer(self, envelope: Envelope) -> bool:
        taken = super().offer(envelope)
        one = envelope.batch
        self._came.extend((one.container.name, number) for number in one.sequences)
        asyncio.get_running_loop().call_later(random.uniform(0, 0.2), self._answer)
        return taken

    def _answer(self) -> None:
        if self._owed:
            self.settle_one()


class Hub:
    """As an agent runs it: opened again after every failure."""

    def __init__(self, urls: list[str], host: str, came: list[tuple[str, int]]) -> None:
        metrics = Metrics(CollectorRegistry())
        self._store = Store(came)
        route = Route("all", frozenset({"logs"}), lambda _: True, [], [self._store])
        self._router = Router([route], metrics, Ledger())
        config = Config(
            type="nats", urls=urls, partitions=PARTITIONS, ack_wait=Duration(ACK_WAIT),
            timeout=Duration(3), batch=20,
        )  # fmt: skip
        self.runner = SourceRunner(config, SourceContext("queue", host), self._router, metrics)

    async def run(self) -> None:
        """Until it is cancelled, which is as if it was killed."""
        async with asyncio.TaskGroup() as tasks:
            self.runner.intake.tasks = tasks
            flushing = tasks.create_task(self._router.flusher.run(), name="flusher")
            running = tasks.create_task(self.runner.run(), name="source")
            try:
                await asyncio.shield(running)
            finally:
                flushing.cancel()

    async def stop(self) -> None:
        """As an agent does at its end, in good order."""
        self.runner.stop()
        await self.runner.intake.placed()
        await self._router.flusher.finish()
        await asyncio.sleep(0.5)  # the store answers
        self.runner.give_up()

    def reads(self) -> set[int]:
        shared = self.runner.source.shared()
        assert shared is not None
        return {one.partition for one in shared.shares if one.here}


class Fleet:
    """A stream with three replicas, an agent that publishes all the time, and hubs."""

    def __init__(self, cluster: NatsCluster, tasks: asyncio.TaskGroup) -> None:
        self.cluster = cluster
        self.came: list[tuple[str, int]] = []
        self.published = 0
        self.hubs: list[tuple[Hub, asyncio.Task[None]]] = []
        self._tasks = tasks
        self._over = False

    async def begin(self, hubs: int) -> None:
        config = {
            "name": "DOCKLINE", "subjects": ["dockline.>"], "retention": "workqueue",
            "num_replicas": 3,
        }  # fmt: skip
        assert "error" not in await self.cluster.ask("STREAM.CREATE.DOCKLINE", config)
        for number in range(hubs):
            await self.add(f"hub-{number}")
        self._publishing = self._tasks.create_task(self._publish(), name="agent")
        await until(self.shared_out)
        await self.goes_on()

    async def add(self, host: str) -> None:
        hub = await asyncio.to_thread(Hub, self.cluster.urls, host, self.came)
        self.hubs.append((hub, self._tasks.create_task(hub.run(), name=host)))

    def shared_out(self) -> bool:
        """Whether each partition has one reader, and all read as many or one more."""
        reads = [hub.reads() for hub, _ in self.hubs]
        sizes = [len(one) for one in reads]
        all_of_them = sorted(number for one in reads for number in one)
        return all_of_them == list(range(PARTITIONS)) and max(sizes) - min(sizes) <= 1

    async def goes_on(self) -> None:
        """Returns when more is delivered, of each container."""
        before = len(self.came)
        await until(
            lambda: len({name for name, _ in self.came[before:]}) == len(CONTAINERS), within=120
        )

    async def _publish(self) -> None:
        subject = Subjects("dockline.{partition}.{source}.{container.id}", partitions=PARTITIONS).of
        messages = ColumnsMessages(ColumnCodec().encode, subject, {})
        client: Client | None = None
        while not self._over:
            number = self.published + 1
            rows = [batch(f"{one.name} {number}", of=one, start=number) for one in CONTAINERS]
            waiting = list(messages.of(rows))
            while waiting:  # as the sink does: until the stream has it, by the same id
                try:
                    client = client or await self.cluster.client()
                    stream = client.jetstream(timeout=3)
                    for message in list(waiting):
                        head = message.headers
                        await stream.publish(message.subject, message.body, headers=head)
                        waiting.remove(message)
                except Exception:
                    if client is not None:
                        await client.close()
                    client = None
                    await asyncio.sleep(0.1)
            self.published = number
        if client is not None:
            await client.close()

    async def end(self) -> int:
        """Ends when all is delivered and acknowledged, and judges. How many entries came twice."""
        self._over = True
        await self._publishing

        async def none_left() -> bool:
            return bool((await self.cluster.ask("STREAM.INFO.DOCKLINE"))["state"]["messages"] == 0)

        await until(none_left, within=120)
        for hub, _ in self.hubs:
            await hub.stop()
        await asyncio.wait([task for _, task in self.hubs], timeout=60)
        wanted = list(range(1, self.published + 1))
        for one in CONTAINERS:
            first = dict.fromkeys(number for name, number in self.came if name == one.name)
            assert list(first) == wanted, f"{one.name}: all there, and first in order"
        return sum(count - 1 for count in Counter(self.came).values())

    async def end_with_few_repeats(self) -> None:
        """Prints how many entries came twice: at most what was in flight."""
        repeated, entries = await self.end(), self.published * len(CONTAINERS)
        print(f"{entries} entries, {repeated} came twice")
        assert repeated <= entries // 10


@asynccontextmanager
async def fleet(cluster: NatsCluster, hubs: int = 2) -> AsyncIterator[Fleet]:
    async with asyncio.TaskGroup() as tasks:
        one = Fleet(cluster, tasks)
        await one.begin(hubs)
        yield one
        for _, task in one.hubs:
            task.cancel()


@pytest.mark.fault(32)
async def test_a_server_that_is_killed_costs_repeats_of_what_was_in_flight(
    cluster: NatsCluster,
) -> None:
    async with fleet(cluster) as one:
        for _ in range(3):
            name = await cluster.leader("STREAM.INFO.DOCKLINE")
            await asyncio.to_thread(cluster.servers[name].kill)
            await one.goes_on()
            await asyncio.to_thread(cluster.servers[name].start)
            await one.goes_on()
        await one.end_with_few_repeats()


async def test_leaders_that_are_moved_cost_nothing_but_a_pause(cluster: NatsCluster) -> None:
    async with fleet(cluster) as one:
        for turn in range(4):
            await cluster.ask("STREAM.LEADER.STEPDOWN.DOCKLINE")
            for number in range(turn % 2, PARTITIONS, 2):
                await cluster.ask(f"CONSUMER.LEADER.STEPDOWN.DOCKLINE.hub-{number}")
            await one.goes_on()
        await one.end_with_few_repeats()


async def test_hubs_that_come_and_stop_in_good_order_repeat_nothing(cluster: NatsCluster) -> None:
    async with fleet(cluster, hubs=1) as one:
        for turn in range(3):
            await one.add(f"new-{turn}")
            await until(one.shared_out)
            await one.goes_on()
        for _ in range(2):
            hub, task = one.hubs.pop(0)
            await hub.stop()
            await asyncio.wait([task], timeout=60)
            await until(one.shared_out)
            await one.goes_on()
        assert await one.end() == 0


async def test_a_hub_that_is_killed_is_followed_by_another_in_order(cluster: NatsCluster) -> None:
    async with fleet(cluster, hubs=2) as one:
        for turn in range(2):
            _, task = one.hubs.pop(0)
            task.cancel()
            await asyncio.wait([task])
            await one.add(f"new-{turn}")
            await until(one.shared_out)
            await one.goes_on()
        await one.end_with_few_repeats()
