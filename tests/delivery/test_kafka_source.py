"""What a hub that reads from Kafka may lose and repeat when it or the brokers are killed, as users
run it: with librdkafka's mock cluster, and with a broker that survives (`tests.servers.kfake`)."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import confluent_kafka
import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from pipeline.model.component import SinkContext
from pipeline.model.container import Container
from pipeline.model.errors import Unavailable
from pipeline.sinks.kafka import Config, Kafka
from pipeline.testing.agent_process import AgentProcess, whole_entries, whole_lines
from pipeline.testing.builders import batch, container
from tests.servers.daemon import PATIENCE, eventually
from tests.servers.kafka import KafkaCluster
from tests.servers.kfake import Kfake

pytestmark = pytest.mark.server

CONFIG = """
[agent]
shutdown = "60s"
[sources.queue]
type = "kafka"
bootstrap_servers = {servers}
session_timeout = "2s"
[sinks.out]
type = "file"
path = "{folder}/{name}"
{more}
[routes.all]
to = ["out"]
"""
CONTAINERS = [container(f"c{number}", number=number) for number in range(10)]
LINES = 200


@pytest.fixture
def cluster() -> Iterator[KafkaCluster]:
    with KafkaCluster() as made:
        made.rebalance_at_once()
        made.create("dockline", 4)
        yield made


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Kfake]:
    with Kfake(tmp_path / "kafka", "-c", "group.min.session.timeout.ms=1000") as made:
        admin = AdminClient({"bootstrap.servers": ",".join(made.servers), "log_level": 0})
        admin.create_topics([NewTopic("dockline", 8, 3)])["dockline"].result()
        yield made


def config(servers: Sequence[str], folder: Path, name: str = "entries", more: str = "") -> str:
    listed = str(list(servers)).replace("'", '"')
    return CONFIG.format(servers=listed, folder=folder, name=name, more=more)


async def publish(
    servers: Sequence[str],
    first: int,
    last: int,
    *,
    step: int = 1,
    form: str = "columns",
    pause: float = 0.0,
) -> None:
    """Some numbered lines of each container, as an agent sends them: again until they are taken."""
    options = Config(type="kafka", bootstrap_servers=list(servers), format=form)  # type: ignore[arg-type]
    sink = Kafka(options, SinkContext("queue"))
    opened = False
    for number in range(first, last, step):
        numbers = range(number, min(last, number + step))
        payload = sink.encode(
            [
                batch(*[f"{one.name} {line}" for line in numbers], of=one, start=number)
                for one in CONTAINERS
            ]
        )
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                if not opened:
                    await sink.open()
                opened = True
                await sink.send(payload)
                break
            except Unavailable:
                assert time.monotonic() < deadline
                opened = False
                await sink.close()
                await asyncio.sleep(0.1)
        await asyncio.sleep(pause)
    await sink.close()


class Watch:
    """What the group has committed of the topic."""

    def __init__(self, servers: Sequence[str], partitions: int) -> None:
        self._consumer = confluent_kafka.Consumer(
            {"bootstrap.servers": ",".join(servers), "group.id": "dockline", "log_level": 0}
        )
        self._partitions = range(partitions)

    def left(self) -> int:
        """Records that the group has not read."""
        places = [confluent_kafka.TopicPartition("dockline", one) for one in self._partitions]
        left = 0
        for place in self._consumer.committed(places, PATIENCE):
            low, high = self._consumer.get_watermark_offsets(place, PATIENCE)
            left += high - max(low, place.offset)
        return left

    def close(self) -> None:
        self._consumer.close()


@pytest.fixture
def watch(request: pytest.FixtureRequest) -> Iterator[Callable[[Sequence[str], int], Watch]]:
    made: list[Watch] = []

    def make(servers: Sequence[str], partitions: int) -> Watch:
        made.append(Watch(servers, partitions))
        return made[-1]

    yield make
    for one in made:
        one.close()


def numbers(entries: Sequence[dict[str, dict[str, int]]], of: Container) -> list[int]:
    """Of the lines that have arrived, in order."""
    return [one["event"]["sequence"] for one in entries if one["container"]["id"] == of.id]


@pytest.mark.fault(32)
@pytest.mark.parametrize("form", ["columns", "json"])
@pytest.mark.parametrize("more", ["", 'buffer = { disk = "16MiB" }'], ids=["memory", "disk"])
def test_a_hub_that_is_killed_loses_nothing_and_is_given_again_what_it_had_not_committed(
    cluster: KafkaCluster,
    watch: Callable[[Sequence[str], int], Watch],
    tmp_path: Path,
    more: str,
    form: str,
) -> None:
    steps = list(range(1, LINES + 2, LINES // 4))
    with AgentProcess(tmp_path / "hub", "", config(cluster.servers, tmp_path, more=more)) as hub:
        path = tmp_path / "entries"
        for first, last in pairwise(steps):
            before = len(whole_lines(path))
            asyncio.run(publish(cluster.servers, first, last, form=form))
            hub.until(lambda b=before, p=path: len(whole_lines(p)) > b)  # type: ignore[misc]
            hub.stop(signal.SIGKILL)
            hub.start()
        group = watch(cluster.servers, 4)
        hub.until(lambda: group.left() == 0, "not all is committed")
        assert hub.address, "it has begun: all may have been committed by the one before"
        assert hub.stop() == 0
    entries = whole_entries(tmp_path / "entries")
    for one in CONTAINERS:
        came = numbers(entries, one)
        assert list(dict.fromkeys(came)) == list(range(1, LINES + 1)), "in order, but for repeats"
        assert max(Counter(came).values()) <= len(steps), "each process delivers a line once"


def test_a_hub_that_stops_has_delivered_and_committed_all_that_it_took(
    cluster: KafkaCluster, watch: Callable[[Sequence[str], int], Watch], tmp_path: Path
) -> None:
    with AgentProcess(tmp_path / "hub", "", config(cluster.servers, tmp_path)) as hub:
        asyncio.run(publish(cluster.servers, 1, LINES + 1))
        path = tmp_path / "entries"
        hub.until(lambda: len(whole_lines(path)) > 0)
        assert hub.stop() == 0
        group = watch(cluster.servers, 4)
        there = LINES * len(CONTAINERS) - len(whole_lines(path))
        assert group.left() == there, "each is here or there, and once"
        hub.start()
        hub.until(lambda: group.left() == 0)
        assert hub.stop() == 0
    entries = whole_entries(tmp_path / "entries")
    for one in CONTAINERS:
        assert numbers(entries, one) == list(range(1, LINES + 1)), "each once, in order"


@pytest.fixture
def make_hubs(
    broker: Kfake, tmp_path: Path
) -> Iterator[Callable[[Sequence[str]], dict[str, AgentProcess]]]:
    with ExitStack() as ends:

        def make(names: Sequence[str]) -> dict[str, AgentProcess]:
            hubs = {}
            for name in names:
                options = config(broker.servers, tmp_path, name)
                hubs[name] = AgentProcess(tmp_path / f"hub-{name}", "", options)
                ends.push(hubs[name].__exit__)
            return hubs

        yield make


def _merged(folder: Path, names: Sequence[str]) -> dict[str, list[dict[str, dict[str, int]]]]:
    return {name: whole_entries(folder / name) for name in names}


@pytest.mark.fault(32)
def test_three_hubs_one_killed_one_stopped_under_load_lose_nothing(
    broker: Kfake,
    watch: Callable[[Sequence[str], int], Watch],
    make_hubs: Callable[[Sequence[str]], dict[str, AgentProcess]],
    tmp_path: Path,
) -> None:
    names, total = ["one", "two", "three"], 750
    hubs = make_hubs(names)

    async def load() -> None:
        await publish(broker.servers, 1, total + 1, step=5, pause=0.05)

    def written(name: str) -> int:
        return len(whole_lines(tmp_path / name))

    async def disturb() -> None:
        for name in names[1:]:
            hubs[name].start()
            await asyncio.to_thread(hubs[name].until, lambda name=name: written(name) > 100)
        await asyncio.to_thread(hubs["one"].stop, signal.SIGKILL)
        before = written("two")
        await asyncio.to_thread(hubs["two"].until, lambda: written("two") > before + 100)
        assert await asyncio.to_thread(hubs["two"].stop) == 0

    async def both() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(load(), name="load")
            tasks.create_task(disturb(), name="disturb")

    hubs["one"].start()
    asyncio.run(both())
    group = watch(broker.servers, 8)
    hubs["three"].until(lambda: group.left() == 0, "not all is committed")
    assert hubs["three"].stop() == 0
    entries = _merged(tmp_path, names)
    repeated = 0
    for one in CONTAINERS:
        per = {name: numbers(entries[name], one) for name in names}
        for came in per.values():
            assert came == sorted(set(came)), "each hub delivers in order, and once"
        everything = [number for came in per.values() for number in came]
        assert set(everything) == set(range(1, total + 1)), "nothing is missing"
        twice = [number for number, times in Counter(everything).items() if times > 1]
        assert all(number in per["one"] for number in twice), "only what the killed one had"
        repeated += len(everything) - total
    assert repeated < total * len(CONTAINERS) / 4, f"{repeated} repeated"


def test_brokers_that_are_killed_and_come_back_cost_nothing_but_repeats(
    broker: Kfake,
    watch: Callable[[Sequence[str], int], Watch],
    make_hubs: Callable[[Sequence[str]], dict[str, AgentProcess]],
    tmp_path: Path,
) -> None:
    names, total = ["one", "two"], 400
    hubs = make_hubs(names)

    async def kill() -> None:
        for _ in range(3):
            await asyncio.sleep(3)
            await asyncio.to_thread(broker.kill)
            await asyncio.sleep(1)
            await asyncio.to_thread(broker.start)

    async def both() -> None:
        async with asyncio.TaskGroup() as tasks:
            load = publish(broker.servers, 1, total + 1, step=5, pause=0.1)
            tasks.create_task(load, name="load")
            tasks.create_task(kill(), name="kill")

    for hub in hubs.values():
        hub.start()
    asyncio.run(both())
    group = watch(broker.servers, 8)
    eventually("all is committed", lambda: group.left() == 0)
    for hub in hubs.values():
        assert hub.stop() == 0
        assert "Traceback" not in hub.said
    entries = _merged(tmp_path, names)
    for one in CONTAINERS:
        came = {name: numbers(entries[name], one) for name in names}
        assert set(came["one"]) | set(came["two"]) == set(range(1, total + 1)), "nothing is missing"
        for those in came.values():
            first = list(dict.fromkeys(those))
            assert first == sorted(first), "in order, but for repeats"
