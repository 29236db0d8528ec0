"""`GET /api/fleet`: of hubs that share a stream of a real nats-server, and of agents."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from nats.aio.client import Client
from prometheus_client import CollectorRegistry

from pipeline.accounting.ledger import Ledger
from pipeline.buffer.columns import ColumnCodec
from pipeline.config.file import parse
from pipeline.encode.nats.messages import ColumnsMessages
from pipeline.encode.nats.subject import Subjects
from pipeline.intake.runner import SourceRunner
from pipeline.model.batch import Batch
from pipeline.model.component import Duration, SinkConfig, SourceContext
from pipeline.model.metrics import Metrics
from pipeline.observe.access import Gate, guarded
from pipeline.observe.server import Server
from pipeline.page import fleet as module
from pipeline.page.fleet import Fleet
from pipeline.runtime.agent import Agent
from pipeline.sources.nats import Config
from pipeline.testing.builders import batch, container
from pipeline.testing.intake_room import Sink, until
from pipeline.topology import Route, Router
from tests.servers.nats import NatsServer

PARTITIONS = 4
CONTAINERS = [
    container(f"c{number}", number=number, host=f"web-{number % 3}") for number in range(12)
]


@pytest.fixture
def server(nats_server: NatsServer) -> NatsServer:
    """One without streams but an empty one."""
    nats_server.empty()
    asyncio.run(_publish(nats_server.url))
    return nats_server


@pytest.fixture(autouse=True)
def afresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each answer is made anew, and a source that ends does not wait long for messages."""
    monkeypatch.setattr(module, "KEPT", 0.0)
    monkeypatch.setattr("pipeline.transport.nats.pull.EXPIRES", 0.2)
    monkeypatch.setattr("pipeline.sources.nats.EXPIRES", 0.2)
    monkeypatch.setattr("pipeline.transport.nats.members.EVERY", 0.2)
    monkeypatch.setattr("pipeline.sources.nats.EVERY", 0.2)


async def _publish(url: str, *batches: Batch) -> None:
    """Publishes a message for each batch, as the sink does."""
    client = Client()
    await client.connect(url)
    stream = client.jetstream()
    await stream.add_stream(name="DOCKLINE", subjects=["dockline.>"], retention="workqueue")
    subject = Subjects("dockline.{partition}.{source}.{container.id}", partitions=PARTITIONS).of
    messages = ColumnsMessages(ColumnCodec().encode, subject, {})
    for one in batches:
        for message in messages.of([one]):
            await stream.publish(message.subject, message.body, headers=message.headers)
    await client.close()


class Hub:
    """A source as an agent runs it, with what a browser asks."""

    def __init__(self, url: str, host: str, **settings: Any) -> None:
        metrics, self.sink, self.ledger = Metrics(CollectorRegistry()), Sink("out"), Ledger()
        route = Route("all", frozenset({"logs"}), lambda container: True, [], [self.sink])
        self.router = Router([route], metrics, self.ledger)
        config = Config(
            type="nats", urls=[url], partitions=PARTITIONS, ack_wait=Duration(1), **settings
        )
        self.runner = SourceRunner(config, SourceContext("queue", host), self.router, metrics)
        self.task: asyncio.Task[None]
        self.url = ""

    async def fleet(self) -> dict[str, Any]:
        headers = {"Authorization": "Bearer a-token-of-some-length"}
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{self.url}/api/fleet", headers=headers) as answer,
        ):
            assert (answer.status, answer.content_type) == (200, "application/json")
            return await answer.json()  # type: ignore[no-any-return]

    async def stream(self) -> dict[str, Any]:
        (stream,) = (await self.fleet())["streams"]
        numbers = [one["partition"] for one in stream["partitions"]]
        assert numbers == list(range(PARTITIONS))
        return stream  # type: ignore[no-any-return]

    async def pending(self) -> list[int | None]:
        return [one["pending"] for one in (await self.stream())["partitions"]]

    async def die(self) -> None:
        """It says nothing to the others."""
        self.task.cancel()
        await asyncio.wait([self.task])


@asynccontextmanager
async def hub(url: str, host: str, **settings: Any) -> AsyncIterator[Hub]:
    one = await asyncio.to_thread(lambda: Hub(url, host, **settings))
    fleet = Fleet(one.ledger, lambda: [one.runner], dict, str)
    gate = Gate("a-token-of-some-length")
    server = Server("127.0.0.1:0", [web.get("/api/fleet", fleet.handle)], [guarded(gate)])
    await server.start()
    one.url = f"http://{server.address}"
    async with asyncio.TaskGroup() as tasks:
        one.runner.intake.tasks = tasks
        flushing = tasks.create_task(one.router.flusher.run(), name="flusher")
        one.task = tasks.create_task(one.runner.run(), name="source")
        yield one
        one.runner.stop()
        one.runner.give_up()
        await asyncio.wait([one.task], timeout=10)
        one.task.cancel()
        flushing.cancel()
    await server.close()


# ---------------------------------------------------------------------------------- streams


def here(stream: Mapping[str, Any]) -> set[int]:
    return {one["partition"] for one in stream["partitions"] if one["here"]}


def readers(stream: Mapping[str, Any]) -> list[str | None]:
    return [one["reader"] for one in stream["partitions"]]


@pytest.mark.server
async def test_two_hubs_show_who_reads_what_and_one_takes_over_when_the_other_dies(
    server: NatsServer,
) -> None:
    async with hub(server.url, "hub-a") as a, hub(server.url, "hub-b.example.com") as b:
        async with agreed(a, b) as (ours, theirs):
            assert readers(ours) == readers(theirs)
            assert set(readers(ours)) == {"hub-a", "hub-b.example.com"}
            assert len(here(ours)) == len(here(theirs)) == 2
            assert ours["hubs"] == ["hub-a", "hub-b.example.com"]
            assert theirs["hubs"] == ["hub-b.example.com", "hub-a"]
            known = ("source", "type", "stream", "address", "ordered")
            assert [ours[key] for key in known] == ["queue", "nats", "DOCKLINE", server.url, True]
            for one in ours["partitions"]:
                assert one["here"] or one["pending"] is None, "the other hub knows"
        await b.die()

        async def taken_over() -> bool:
            stream = await a.stream()
            every = readers(stream) == ["hub-a"] * PARTITIONS and stream["hubs"] == ["hub-a"]
            return every and here(stream) == set(range(PARTITIONS))

        await until(taken_over)

        async def forgotten() -> bool:
            return readers(await b.stream()) == [None] * PARTITIONS

        await until(forgotten)  # who has no connection does not know


@pytest.mark.server
async def test_of_three_hubs_each_knows_what_the_others_read(server: NatsServer) -> None:
    async with (
        hub(server.url, "hub-a") as a,
        hub(server.url, "hub-b") as b,
        hub(server.url, "hub-c") as c,
        agreed(a, b, c) as answers,
    ):
        assert readers(answers[0]) == readers(answers[1]) == readers(answers[2])
        assert set(readers(answers[0])) == {"hub-a", "hub-b", "hub-c"}
        for stream, host in zip(answers, ("hub-a", "hub-b", "hub-c"), strict=True):
            assert stream["hubs"][0] == host
            assert sorted(stream["hubs"]) == ["hub-a", "hub-b", "hub-c"]


@asynccontextmanager
async def agreed(*hubs: Hub) -> AsyncIterator[list[dict[str, Any]]]:
    """What each of the hubs answers when each partition has one reader, and all know of it."""
    answers: list[dict[str, Any]] = []

    async def settled() -> bool:
        answers[:] = [await one.stream() for one in hubs]
        own = sorted(number for one in answers for number in here(one))
        parts = [len(here(one)) for one in answers]
        return (
            own == list(range(PARTITIONS))
            and max(parts) - min(parts) <= 1
            and all(None not in readers(one) for one in answers)
            and all(len(one["hubs"]) == len(hubs) for one in answers)
        )

    await until(settled)
    yield answers


@pytest.mark.server
async def test_what_waits_is_known_from_the_last_message(server: NatsServer) -> None:
    first = CONTAINERS[0]
    await _publish(server.url, *[batch("x", of=first, start=number) for number in range(30)])
    async with hub(server.url, "hub-a", batch=10, max_ack_pending=10) as one:
        one.sink.settles = False

        async def as_said(*pending: int) -> bool:
            return sorted([-1 if n is None else n for n in await one.pending()]) == [*pending]

        await until(lambda: as_said(0, 0, 0, 20))
        await until(lambda: len(one.sink.lines) == 10)  # the server gives no more of them
        one.sink.settles = True
        one.sink.settle()
        await until(lambda: as_said(0, 0, 0, 0))


@pytest.mark.server
async def test_without_order_every_hub_reads_every_partition(server: NatsServer) -> None:
    async with (
        hub(server.url, "hub-a", ordered=False) as a,
        hub(server.url, "hub-b", ordered=False) as b,
    ):

        async def read_all() -> bool:
            streams = [await a.stream(), await b.stream()]
            return [(readers(one), one["hubs"], one["ordered"]) for one in streams] == [
                (["hub-a"] * PARTITIONS, ["hub-a"], False),
                (["hub-b"] * PARTITIONS, ["hub-b"], False),
            ]

        await until(read_all)
        assert len(here(await a.stream())) == len(here(await b.stream())) == PARTITIONS
        assert await a.pending() == [0] * PARTITIONS


async def test_of_a_stream_that_was_never_reached_nothing_is_known() -> None:
    async with hub("nats://127.0.0.1:1", "hub-a") as one:
        unknown = {"reader": None, "here": False, "pending": None}
        stream = await one.stream()
        assert stream["partitions"] == [{"partition": n, **unknown} for n in range(PARTITIONS)]


# ------------------------------------------------------------------------------------ hosts


@pytest.mark.server
async def test_hosts_are_those_whose_containers_came(server: NatsServer) -> None:
    hostile = container("x", number=99, host="<script>alert(1)</script>\x1b[2J\n\u202e")
    lines = [batch("x", "y", of=of, start=1) for of in (*CONTAINERS, hostile)]
    async with hub(server.url, "hub-a") as one:
        assert (await one.fleet())["hosts"] == []
        await _publish(server.url, *lines)
        await until(lambda: len(one.sink.lines) == 2 * len(lines))
        answer = await one.fleet()
        assert answer["others"] == 0
        odd, *hosts = answer["hosts"]
        assert [(host["name"], host["containers"], host["lines"]) for host in hosts] == [
            ("web-0", 4, 8), ("web-1", 4, 8), ("web-2", 4, 8),
        ]  # fmt: skip
        assert odd["name"] == "<script>alert(1)</script>\ufffd[2J\ufffd\ufffd"
        assert all(host["sources"] == ["queue"] for host in answer["hosts"])


async def test_viewers_share_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT", 60.0)
    async with hub("nats://127.0.0.1:1", "hub-a") as one:
        looks = 0

        def shared() -> None:
            nonlocal looks
            looks += 1

        monkeypatch.setattr(one.runner.source, "shared", shared)
        answers = await asyncio.gather(*[one.fleet() for _ in range(8)])
        assert answers == [answers[0]] * 8
        assert looks == 1


# -------------------------------------------------------------------------------- publishes


CONFIG = """
[engine]
enabled = false
[state]
directory = "{folder}/state"
[http]
listen = "127.0.0.1:0"
[sources.queue]
type = "nats"
urls = ["nats://${{HUB_HOST}}:1", "nats://127.0.0.1:2"]
stream = "${{STREAM}}"
[sinks.central]
type = "nats"
urls = ["nats://127.0.0.1:1"]
partitions = 8
stream = {{ name = "${{STREAM}}" }}
[sinks.json]
type = "nats"
urls = ["nats://127.0.0.1:1"]
subject = "logs.{{container.name}}"
[sinks.kafka]
type = "kafka"
bootstrap_servers = ["127.0.0.1:1"]
topic = "logs.{{container.project}}.${{TENANT}}"
[sinks.redis]
type = "redis"
address = "redis://127.0.0.1:1"
password = "a-long-password"
stream = "logs:a-long-password"
[sinks.file]
type = "file"
path = "{folder}/out"
[routes.all]
from = ["queue"]
to = ["central", "json", "kafka", "redis", "file"]
"""
ENVIRONMENT = {"HUB_HOST": "hidden-host", "STREAM": "hidden-stream", "TENANT": "hidden-tenant"}


async def answered(folder: Path, change: Callable[[Agent], Any] | None = None) -> dict[str, Any]:
    """What a running agent with this configuration answers."""
    reading = await asyncio.to_thread(parse, CONFIG.format(folder=folder), ENVIRONMENT)
    agent = await asyncio.to_thread(lambda: Agent(reading, {}))
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(agent.run(stop), name="agent")
        assert agent.admin is not None
        admin = agent.admin
        await until(lambda: not admin.address.endswith(":0"))
        if change is not None:
            await change(agent)
        token = (folder / "state/token").read_text().strip()
        headers = {"Authorization": f"Bearer {token}"}
        url = f"http://{admin.address}/api/fleet"
        async with aiohttp.ClientSession() as session:
            async with session.get(url) as refused:
                assert refused.status == 401
            async with session.get(url, headers=headers) as answer:
                text = await answer.text()
        stop.set()
    for hidden in (*ENVIRONMENT.values(), "a-long-password"):
        assert hidden not in text
    return json.loads(text)  # type: ignore[no-any-return]


def published(answer: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    return [tuple(one.values()) for one in answer["publishes"]]


async def test_an_agent_says_what_it_publishes_to_and_nothing_that_is_hidden(
    tmp_path: Path,
) -> None:
    answer = await answered(tmp_path)
    assert published(answer) == [
        ("central", "nats", "${STREAM}", 8),
        ("json", "nats", "DOCKLINE", None),
        ("kafka", "kafka", "logs.{container.project}.${TENANT}", None),
        ("redis", "redis", "logs:***", None),
    ]
    (stream,) = answer["streams"]
    assert stream["stream"] == "${STREAM}"
    assert stream["address"] == "nats://${HUB_HOST}:1, nats://127.0.0.1:2"
    assert (answer["hosts"], answer["others"]) == ([], 0)


async def test_a_reload_changes_it_and_what_is_hidden(tmp_path: Path) -> None:
    async def change(agent: Agent) -> None:
        text = CONFIG.format(folder=tmp_path).replace("${STREAM}", "${TENANT}-2")
        text = text.replace("[sinks.json]", "[sinks.renamed]").replace('"json"', '"renamed"')
        reading = await asyncio.to_thread(parse, text, ENVIRONMENT)
        await agent.reload(reading)
        await agent.finish_reload()

    answer = await answered(tmp_path, change)
    assert [one[:3] for one in published(answer)[:2]] == [
        ("central", "nats", "${TENANT}-2"),
        ("renamed", "nats", "DOCKLINE"),
    ]
    assert answer["streams"][0]["stream"] == "${TENANT}-2"


def test_a_sink_publishes_to_nothing_unless_it_says_so() -> None:
    assert SinkConfig(type="file").publishes() is None
