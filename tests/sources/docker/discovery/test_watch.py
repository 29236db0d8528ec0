"""In touch with an Engine: nothing happens unseen, whatever happens to the connection."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import secrets
import signal
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from pipeline.model.metrics import Metrics
from pipeline.sources.docker.discovery import watch
from pipeline.sources.docker.discovery.watch import ACTIONS, Event, Watch
from pipeline.sources.docker.engine import session
from pipeline.sources.docker.engine.client import Engine, stream
from pipeline.sources.docker.engine.endpoint import resolve
from pipeline.testing.fake_engine import RING, FakeEngine, Fault, Step, chunk, head, json_answer
from pipeline.testing.private_engine import PrivateEngine

ID = "a" * 64
FOREVER = 3600.0


class Diary:
    """An audience that writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        """`connected`, `disconnected`, `listed`, or an event's action, in order."""
        self.events: list[Event] = []
        self.lists: list[Sequence[Mapping[str, Any]]] = []
        self.bug: Exception | None = None

    def connected(self) -> None:
        self.told.append("connected")

    def disconnected(self) -> None:
        self.told.append("disconnected")

    def event(self, event: Event) -> None:
        self.told.append(event["Action"])
        self.events.append(event)
        if self.bug is not None:
            raise self.bug

    async def listed(self, containers: Sequence[Mapping[str, Any]]) -> None:
        self.told.append("listed")
        self.lists.append(containers)

    def names(self, container_id: str = ID) -> list[str]:
        """By which names the events call a container."""
        return [
            event["Actor"]["Attributes"]["name"]
            for event in self.events
            if event["Actor"]["ID"] == container_id
        ]


class Watching:
    def __init__(self, one: Watch, diary: Diary, metrics: Metrics) -> None:
        self.watch = one
        self.diary = diary
        self.value = metrics.registry.get_sample_value

    def errors(self, kind: str) -> float:
        return self.value("dockline_source_errors_total", {"kind": kind}) or 0

    async def until(self, holds: Callable[[], object]) -> None:
        deadline = time.monotonic() + 60
        while not holds():
            assert time.monotonic() < deadline, self.diary.told[-20:]
            await asyncio.sleep(0.01)

    async def up(self) -> None:
        await self.until(lambda: self.watch.problem is None)


@asynccontextmanager
async def watching(url: str, *, every: float = FOREVER, since: str = "") -> AsyncIterator[Watching]:
    metrics, diary = Metrics(CollectorRegistry()), Diary()
    engine = Engine(resolve(url, None, {}))
    one = Watch(engine, diary, metrics, every=every, since=since)
    try:
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(one.run())
            yield Watching(one, diary, metrics)
            task.cancel()
    finally:
        await engine.close()


@pytest.fixture
async def fake(tmp_path: Path) -> AsyncIterator[FakeEngine]:
    async with FakeEngine(tmp_path / "docker.sock") as one:
        yield one


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits between attempts that suit a test."""
    monkeypatch.setattr(watch, "FIRST_WAIT", 0.02)
    monkeypatch.setattr(watch, "LONGEST_WAIT", 0.2)


pytestmark = pytest.mark.usefixtures("hurried")


# ----------------------------------------------------------------------------- a real Engine


async def test_what_happens_to_a_real_container_is_told_in_order(
    engine: PrivateEngine, busybox: str
) -> None:
    name = f"watch-{secrets.token_hex(4)}"
    async with watching(engine.url) as seen:
        await seen.up()
        assert seen.diary.told[:2] == ["connected", "listed"]
        run = [
            "run",
            "-d",
            "--network",
            "none",
            "--name",
            name,
            "-l",
            "a=b",
            busybox,
            "sleep",
            "60",
        ]
        container = await asyncio.to_thread(engine.docker, *run)
        for command in (["pause"], ["unpause"], ["rename"], ["exec"], ["kill"], ["rm"]):
            more = {"rename": [f"{name}-new"], "exec": ["true"]}.get(command[0], [])
            await asyncio.to_thread(engine.docker, *command, container, *more)
        await seen.until(lambda: "destroy" in actions(seen.diary, container))
        assert actions(seen.diary, container) == [
            "create", "start", "pause", "unpause", "rename", "kill", "die", "destroy",
        ]  # fmt: skip
        assert seen.diary.names(container) == [name] * 4 + [f"{name}-new"] * 4
        assert seen.diary.told.count("listed") == 1


def actions(diary: Diary, container_id: str) -> list[str]:
    return [event["Action"] for event in diary.events if event["Actor"]["ID"] == container_id]


async def test_a_real_engines_list_holds_what_runs(engine: PrivateEngine, busybox: str) -> None:
    run = ["run", "-d", "--network", "none", busybox]
    running = await asyncio.to_thread(engine.docker, *run, "sleep", "60")
    ended = await asyncio.to_thread(engine.docker, *run, "true")
    await asyncio.to_thread(engine.docker, "wait", ended)
    try:
        async with watching(engine.url) as seen:
            await seen.up()
            await seen.until(lambda: seen.diary.lists)
            listed = {item["Id"] for item in seen.diary.lists[0]}
            assert running in listed
            assert ended not in listed
    finally:
        await asyncio.to_thread(engine.docker, "rm", "--force", running, ended)


async def test_labels_of_a_megabyte_come_through(
    engine: PrivateEngine, busybox: str, tmp_path: Path
) -> None:
    """Each is as long as the docker command takes them from a file."""
    labels = {f"label-{number}": str(number) * 60_000 for number in range(10)}
    labels |= {f"another-{number}": str(number) * 60_000 for number in range(10)}
    file = tmp_path / "labels"
    file.write_text("".join(f"{key}={value}\n" for key, value in labels.items()))
    async with watching(engine.url) as seen:
        await seen.up()
        create = ["create", "--network", "none", "--label-file", str(file), busybox, "true"]
        container = await asyncio.to_thread(engine.docker, *create)
        await asyncio.to_thread(engine.docker, "rm", container)
        await seen.until(lambda: actions(seen.diary, container) == ["create", "destroy"])
        for event in seen.diary.events:
            if event["Actor"]["ID"] == container:
                assert labels.items() <= event["Actor"]["Attributes"].items()


async def test_events_of_a_break_come_afterwards_and_only_the_last_one_twice(
    engine: PrivateEngine, busybox: str, tmp_path: Path
) -> None:
    """Stopping the Engine would empty its ring, so what breaks is a relay in between."""
    path = tmp_path / "relay.sock"
    run = ["run", "-d", "--network", "none", busybox, "sleep", "60"]
    container = await asyncio.to_thread(engine.docker, *run)
    async with (
        relay(path, engine.directory / "docker.sock") as cut,
        watching(f"unix://{path}") as seen,
    ):
        await seen.up()
        await asyncio.to_thread(engine.docker, "pause", container)
        await seen.until(lambda: actions(seen.diary, container) == ["pause"])
        for command in ("unpause", "pause", "unpause"):
            async with cut():
                await asyncio.to_thread(engine.docker, command, container)
            await seen.until(lambda: actions(seen.diary, container)[-1] == command)  # noqa: B023
        assert [action for action, _ in groupby(actions(seen.diary, container))] == [
            "pause", "unpause", "pause", "unpause",
        ]  # fmt: skip
        assert len(actions(seen.diary, container)) <= 4 + 3
        await asyncio.to_thread(engine.docker, "rm", "--force", container)


Cut = Callable[[], Any]


@asynccontextmanager
async def relay(path: Path, target: Path) -> AsyncIterator[Cut]:
    """Passes connections on. While in the `async with` of what it gives, there are none."""
    writers: set[asyncio.StreamWriter] = set()
    closed = False

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if closed:
            writer.close()
            return
        there, back = await asyncio.open_unix_connection(target)
        writers.update((writer, back))
        await asyncio.gather(pump(reader, back), pump(there, writer))
        writers.difference_update((writer, back))

    @asynccontextmanager
    async def cut() -> AsyncIterator[None]:
        nonlocal closed
        closed = True
        for writer in list(writers):
            writer.transport.abort()
        yield
        closed = False

    async with await asyncio.start_unix_server(serve, path) as server:
        yield cut
        server.close()
        for writer in list(writers):
            writer.transport.abort()
        await asyncio.sleep(0.05)


@pytest.mark.fault(19)
async def test_a_daemon_that_stands_still_is_noticed_and_found_again(
    fresh_engine: Callable[..., PrivateEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped with SIGSTOP: every connection stays open, and nothing comes."""
    monkeypatch.setattr(session, "REQUEST_TIMEOUT", 0.5)
    monkeypatch.setattr(stream, "HEAD_TIMEOUT", 0.5)
    engine = await asyncio.to_thread(fresh_engine)
    async with watching(engine.url, every=0.2) as seen:
        await seen.up()
        os.kill(engine.pid, signal.SIGSTOP)
        try:
            await seen.until(lambda: "does not answer in time" in (seen.watch.problem or ""))
            assert seen.value("dockline_engine_up") == 0
        finally:
            os.kill(engine.pid, signal.SIGCONT)
        await seen.up()
        assert seen.value("dockline_engine_up") == 1


# ------------------------------------------------------------------------------- the order


async def test_events_are_asked_for_before_the_list(fake: FakeEngine) -> None:
    async with watching(fake.url) as seen:
        await seen.until(lambda: seen.diary.lists)
    asked = [request.path for request in fake.requests]
    assert asked == ["/_ping", "/info", "/events", "/containers/json"]
    assert json.loads(fake.requests[2].query["filters"]) == {
        "type": ["container"],
        "event": list(ACTIONS),
    }
    assert "since" not in fake.requests[2].query


async def test_the_list_waits_for_the_head_of_the_events(fake: FakeEngine) -> None:
    go, events = asyncio.Event(), head(transfer_encoding="chunked")
    fake.answer("/events", [go, events, Fault.STALL])
    async with watching(fake.url) as seen:
        await seen.until(lambda: any(one.path == "/events" for one in fake.requests))
        await asyncio.sleep(0.15)
        assert fake.requests[-1].path == "/events"
        go.set()
        await seen.until(lambda: seen.diary.lists)


async def test_it_subscribes_from_where_it_is_told(fake: FakeEngine) -> None:
    fake.emit("start", ID, nanoseconds=1_700_000_000_000_000_001, name="before")
    fake.emit("start", ID, nanoseconds=1_700_000_000_000_000_002, name="then")
    async with watching(fake.url, since="1700000000.000000002") as seen:
        await seen.until(lambda: seen.diary.events)
        await seen.up()
        assert seen.diary.names() == ["then"]
    asked = [request.query for request in fake.requests if request.path == "/events"]
    assert asked[0]["since"] == "1700000000.000000002"


async def test_what_happens_before_the_engine_listens_is_told(fake: FakeEngine) -> None:
    """The head of the answer is no sign that it does: what has happened since it said the time."""
    fake.answer("/info", [json_answer({"SystemTime": "2023-11-14T22:13:20.000002345Z"})])
    fake.emit("start", ID, nanoseconds=1_700_000_000_000_001_999, name="before")
    fake.emit("start", ID, nanoseconds=1_700_000_000_000_002_345, name="meanwhile")
    async with watching(fake.url) as seen:
        await seen.until(lambda: seen.diary.events)
        await seen.up()
        assert seen.diary.names() == ["meanwhile"]
        fake.cut_events()
        await seen.until(lambda: len(seen.diary.events) == 2)
    asked = [request.query["since"] for request in fake.requests if request.path == "/events"]
    assert asked == ["1700000000.000002000", "1700000000.000002345"]


async def test_the_audience_is_told_of_the_connection_before_any_event(fake: FakeEngine) -> None:
    """On it rests that an event which comes again is known for one."""
    fake.emit("start", ID, nanoseconds=1_700_000_000_000_000_001, name="one")
    async with watching(fake.url, since="1700000000") as seen:
        await seen.until(lambda: seen.diary.events)
        fake.cut_events()
        await seen.until(lambda: len(seen.diary.events) == 2)
        assert seen.diary.told.index("connected") < seen.diary.told.index("start")
        again = seen.diary.told[seen.diary.told.index("start") + 1 :]
        assert again.index("connected") < again.index("start")


async def test_the_list_is_asked_for_over_and_over(fake: FakeEngine) -> None:
    async with watching(fake.url, every=0.05) as seen:
        await seen.up()
        fake.containers[ID] = {"name": "late"}
        await seen.until(lambda: seen.diary.lists[-1])
        assert seen.diary.lists[-1][0]["Id"] == ID
        assert seen.diary.told.count("connected") == 1


async def test_who_waits_for_the_engine_goes_on_when_it_is_listed(tmp_path: Path) -> None:
    async with watching(f"unix://{tmp_path}/docker.sock") as seen:
        waiting = asyncio.gather(seen.watch.available(), seen.watch.available())
        await seen.until(lambda: "there is no socket at" in (seen.watch.problem or ""))
        assert not waiting.done()
        async with FakeEngine(tmp_path / "docker.sock"):
            await waiting
            assert seen.watch.problem is None


# ------------------------------------------------------------------------------ disconnected


@pytest.mark.parametrize("reset", [False, True], ids=["ended", "reset"])
async def test_an_event_stream_that_ends_is_taken_up_where_it_was(
    fake: FakeEngine, reset: bool
) -> None:
    async with watching(fake.url) as seen:
        await seen.up()
        fake.emit("start", ID, nanoseconds=2 * 10**18 + 1, name="one")
        await seen.until(lambda: seen.diary.events)
        fake.cut_events(reset=reset)
        fake.emit("pause", ID, nanoseconds=2 * 10**18 + 2, name="two")
        await seen.until(lambda: "two" in seen.diary.names())
        assert seen.diary.names() == ["one", "one", "two"]  # the last one known comes again
    asked = [request.query for request in fake.requests if request.path == "/events"]
    assert asked[1]["since"] == "2000000000.000000001"


async def test_events_out_of_order_do_not_move_the_place_back(fake: FakeEngine) -> None:
    async with watching(fake.url) as seen:
        await seen.up()
        fake.emit("start", ID, nanoseconds=2 * 10**18 + 2, name="later")
        fake.emit("start", ID, nanoseconds=2 * 10**18 + 1, name="earlier")
        await seen.until(lambda: len(seen.diary.events) == 2)
        fake.cut_events()
        await seen.until(lambda: len(seen.diary.events) == 3)
        assert seen.diary.names() == ["later", "earlier", "later"]


async def test_a_break_before_the_first_event_loses_none_either(fake: FakeEngine) -> None:
    async with watching(fake.url) as seen:
        await seen.up()
        fake.cut_events()
        fake.emit("start", ID, name="meanwhile")
        await seen.until(lambda: seen.diary.names() == ["meanwhile"])


@pytest.mark.fault(15)
async def test_more_events_than_the_engine_keeps_are_mended_by_the_list(fake: FakeEngine) -> None:
    async with watching(fake.url) as seen:
        await seen.up()
        fake.cut_events()
        for number in range(300):
            fake.containers[f"{number:064x}"] = {"name": str(number)}
            fake.emit("start", f"{number:064x}", name=str(number))
        await seen.until(lambda: len(seen.diary.lists) == 2)
        assert len(seen.diary.events) <= RING
        assert len(seen.diary.lists[1]) == 300


@pytest.mark.fault(20)
async def test_a_proxy_that_cuts_silent_streams_makes_no_stir(
    fake: FakeEngine, caplog: pytest.LogCaptureFixture
) -> None:
    async with watching(fake.url) as seen:
        await seen.up()
        for _ in range(3):
            await asyncio.sleep(0.3)  # longer than any wait, so that it counts as having held
            connected = seen.diary.told.count("connected")
            fake.cut_events()
            await seen.until(lambda: seen.diary.told.count("connected") > connected)  # noqa: B023
            assert seen.watch.problem is None
        assert "disconnected" not in seen.diary.told
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.fault(19)
async def test_an_engine_that_is_gone_is_told_once_and_so_is_its_return(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with FakeEngine(tmp_path / "docker.sock") as fake, watching(fake.url) as seen:
        await seen.up()
        await fake.__aexit__()
        (tmp_path / "docker.sock").unlink(missing_ok=True)
        await seen.until(lambda: "there is no socket" in (seen.watch.problem or ""))
        await asyncio.sleep(0.3)
        assert seen.diary.told == ["connected", "listed", "disconnected"]
        async with FakeEngine(tmp_path / "docker.sock"):
            await seen.up()
            assert seen.diary.told[3:] == ["connected", "listed"]
            said = [one.getMessage() for one in caplog.records if one.name == watch.__name__]
    assert [text.startswith("connected to ") for text in (said[0], said[-1])] == [True, True]
    assert "there is no socket" in said[-2]
    assert re.search(r"API 1\.\d+ again, after \d+\.\d s$", said[-1])
    assert len(said) == len(set(said)) <= 4


@pytest.mark.parametrize(
    ("path", "script"),
    [
        ("/containers/json", [head(500, length=2) + b"no"]),
        ("/containers/json", [json_answer({"not": "a list"})]),
        ("/containers/json", [Fault.RESET]),
        ("/events", [head(403, length=2) + b"no"]),
        ("/events", [head(transfer_encoding="chunked") + chunk(b"")]),
        ("/info", [head(403, length=2) + b"no"]),
        ("/_ping", [b""]),
    ],
    ids=["list 500", "no list", "list reset", "events 403", "events end", "info 403", "ping"],
)
async def test_whatever_fails_is_tried_again_and_more_and_more_seldom(
    fake: FakeEngine, path: str, script: Sequence[Step]
) -> None:
    """Waits of 0.02, 0.04 … 0.2 s, each between a half of it and the whole: six take at least
    0.35 s, where twelve that do not grow would take 0.24. aiohttp asks each thing twice when the
    connection closes under it."""
    fake.answer(path, script)
    began = time.monotonic()
    async with watching(fake.url) as seen:
        await seen.until(lambda: sum(one.path == "/_ping" for one in fake.requests) > 12)
        assert time.monotonic() - began > 0.25
        assert seen.watch.problem not in (None, "not connected yet")
        assert seen.value("dockline_engine_up") == 0
        fake.answer(path)
        await seen.up()


# ---------------------------------------------------------------------------- strange events


@pytest.mark.parametrize(
    "line",
    [
        b"junk",
        b"[]",
        b"1",
        b"null",
        b"{}",
        b"\xff\xfe",
        b"[" * 200_000,
        b'{"Actor": {"ID": "x", "Attributes": {}}}',
        b'{"Actor": {"ID": 1, "Attributes": {}}, "timeNano": 1}',
        b'{"Actor": {"ID": "x", "Attributes": null}, "timeNano": 1}',
        b'{"Actor": {"ID": "x", "Attributes": {}}, "timeNano": "soon"}',
        b'{"Actor": {"ID": "x", "Attributes": {}}, "timeNano": Infinity}',
        b'{"Actor": {"ID": "x", "Attributes": {}}, "timeNano": 1e30}',
        b'{"Actor": {"ID": "x", "Attributes": {}}, "timeNano": -5}',
        b'{"Actor": {"ID": "x", "Attributes": {}}, "time": [1]}',
    ],
    ids=lambda line: line[:60].decode(errors="replace"),
)
async def test_an_event_that_cannot_be_understood_is_counted_and_passed_over(
    fake: FakeEngine, line: bytes
) -> None:
    async with watching(fake.url) as seen:
        await seen.up()
        fake.emit_raw(line + b"\n")
        fake.emit("start", ID, name="after")
        await seen.until(lambda: seen.diary.events)
        assert seen.diary.names() == ["after"]
        assert seen.errors("event") == 1
        assert seen.diary.told.count("connected") == 1


async def test_an_event_of_an_api_without_nanoseconds_is_understood(fake: FakeEngine) -> None:
    async with watching(fake.url) as seen:
        await seen.up()
        event = {"Action": "start", "Actor": {"ID": ID, "Attributes": {"name": "old"}}}
        fake.emit_raw(json.dumps({**event, "time": 2_000_000_000}).encode() + b"\n")
        await seen.until(lambda: seen.diary.names() == ["old"])
        fake.cut_events()
        await seen.until(lambda: seen.diary.told.count("connected") == 2)
    asked = [request.query for request in fake.requests if request.path == "/events"]
    assert asked[1]["since"] == "2000000000.000000000"


async def test_a_bug_in_the_audience_stops_no_other_event(
    fake: FakeEngine, caplog: pytest.LogCaptureFixture
) -> None:
    async with watching(fake.url) as seen:
        await seen.up()
        seen.diary.bug = KeyError("name")
        fake.emit("start", ID, name="one")
        await seen.until(lambda: seen.errors("bug") == 1)
        seen.diary.bug = None
        fake.emit("die", ID, name="two")
        await seen.until(lambda: seen.diary.names() == ["one", "two"])
        assert seen.diary.told.count("connected") == 1
    assert "handling an event failed" in caplog.text
