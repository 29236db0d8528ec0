"""`/api/lines`: older lines of a container, from a real Engine's log."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from pipeline.model.container import Container
from pipeline.model.timestamps import nanoseconds
from pipeline.observe.access import Access, Guard
from pipeline.observe.server import Server
from pipeline.page import lines as page
from pipeline.sources.docker.engine.client import Engine
from pipeline.sources.docker.engine.endpoint import resolve
from pipeline.sources.docker.logs import kept_lines, past_lines
from pipeline.testing.fake_engine import FakeEngine, Fault, frame, head
from pipeline.testing.private_engine import PrivateEngine

ID = "ab" * 32


class Asking:
    """An endpoint for `/api/lines` that reads one Engine."""

    def __init__(self, url: str, access: Access = "all") -> None:
        self.engine = Engine(resolve(url, None, {}))
        self.containers: dict[str, Container] = {}
        guard = Guard("reading older lines", "http.tap", "ask there", access)
        handler = page.Lines(self.engine, self._find, guard)
        self.server = Server(
            "127.0.0.1:0", [web.get("/api/lines", handler.handle, allow_head=False)]
        )
        self.session = aiohttp.ClientSession()

    def _find(self, name: str) -> Container:
        for container in self.containers.values():
            if container.name == name or (len(name) >= 6 and container.id.startswith(name)):
                return container
        raise LookupError(f'no container "{name}" is followed here')

    @property
    def url(self) -> str:
        return f"http://{self.server.address}/api/lines"

    async def __aenter__(self) -> Asking:
        await self.engine.connect()
        await self.server.start()
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self.session.close()
        await self.server.close()
        await self.engine.close()

    async def get(self, container: str, **query: object) -> dict[str, Any]:
        parameters = {"container": container} | {name: str(one) for name, one in query.items()}
        async with self.session.get(self.url, params=parameters) as answer:
            assert answer.status == 200, await answer.text()
            found: dict[str, Any] = await answer.json()
            return found

    async def refusal(self, container: str, **query: object) -> tuple[int, str]:
        parameters = {"container": container} | {name: str(one) for name, one in query.items()}
        async with self.session.get(self.url, params=parameters) as answer:
            return answer.status, await answer.text()


@pytest_asyncio.fixture
async def asking(engine: PrivateEngine, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Asking]:
    monkeypatch.setattr(past_lines, "SECONDS", 60.0)  # the machine may be busy
    async with Asking(engine.url) as made:
        yield made


@pytest.fixture
def logged(
    asking: Asking, engine: PrivateEngine, busybox: str, request: pytest.FixtureRequest
) -> Callable[..., Container]:
    """Runs a script in a container to its end, and makes it known."""

    def log(script: str, *options: str, wait: bool = True) -> Container:
        command = ("run", "--detach", "--network", "none", *options, busybox, "sh", "-c", script)
        identifier = engine.docker(*command)
        request.addfinalizer(lambda: engine.docker("rm", "--force", identifier))
        if wait:
            engine.docker("wait", identifier)
        name = engine.docker("inspect", "--format", "{{.Name}}", identifier).removeprefix("/")
        container = asking.containers[identifier] = Container(identifier, name, busybox)
        return container

    return log


LATEST = past_lines.LATEST // 10**9
NOW = "2100-01-01T00:00:00Z"
COUNT = "i=0; while [ $i -lt {} ]; do echo $i; i=$((i+1)); done"


def messages(found: dict[str, Any]) -> list[str]:
    return [one["message"] for one in found["lines"]]


async def all_before(asking: Asking, container: Container, limit: int) -> list[dict[str, Any]]:
    """All lines, read backwards page by page."""
    lines: list[dict[str, Any]] = []
    before, more = NOW, True
    while more:
        found = await asking.get(container.id, before=before, limit=limit)
        assert found["note"] == ""
        assert 0 < len(found["lines"]) <= limit
        lines[:0] = found["lines"]
        before, more = found["lines"][0]["time"], found["more"]
    return lines


@pytest.mark.parametrize("tails", [past_lines.TAILS, ()], ids=["near the end", "by windows"])
async def test_page_by_page_backwards_each_line_comes_once_and_in_order(
    tails: tuple[int, ...],
    asking: Asking,
    logged: Callable[..., Container],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(past_lines, "TAILS", tails)
    container = logged(COUNT.format(1000) + "; sleep 0.1; echo late >&2; sleep 0.1; echo last")
    lines = await all_before(asking, container, 300)
    assert [one["message"] for one in lines] == [*map(str, range(1000)), "late", "last"]
    assert [one["stream"] for one in lines[-2:]] == ["stderr", "stdout"]
    times = [one["time"] for one in lines]
    assert times == sorted(times)


async def test_what_is_far_back_in_a_long_log_is_found(
    asking: Asking, logged: Callable[..., Container]
) -> None:
    container = logged("seq 1 5; sleep 0.3; seq 6 200000")
    first = await asking.get(container.name, after="1971-01-01T00:00:00Z", limit=100)
    assert messages(first) == [*map(str, range(1, 101))]
    assert first["more"] is True
    early = await asking.get(container.id[:12], before=first["lines"][50]["time"], limit=20)
    assert messages(early) == [*map(str, range(31, 51))]
    assert early["more"] is True
    early = await asking.get(container.id[:12], before=first["lines"][10]["time"], limit=20)
    assert messages(early) == [*map(str, range(1, 11))]
    assert early["more"] is False


async def test_times_are_exact_to_the_nanosecond(
    asking: Asking, logged: Callable[..., Container]
) -> None:
    container = logged(COUNT.format(50))
    all_ = (await asking.get(container.id, before=NOW))["lines"]
    at = all_[20]["time"]
    assert messages(await asking.get(container.id, before=at, limit=2)) == ["18", "19"]
    assert messages(await asking.get(container.id, after=at, limit=2)) == ["21", "22"]
    found = await asking.get(container.id, around=at, limit=4)
    assert messages(found) == ["18", "19", "20", "21"]
    assert (found["more"], found["newer"]) == (True, True)
    found = await asking.get(container.id, around=at)
    assert len(found["lines"]) == 50
    assert (found["more"], found["newer"]) == (False, False)
    assert messages(await asking.get(container.id, around=at, limit=1)) == ["20"]
    with_offset = at[:-1] + "+00:00"
    assert messages(await asking.get(container.id, after=with_offset, limit=1)) == ["21"]


async def test_of_a_stretch_one_in_so_many_is_returned_and_it_is_said(
    asking: Asking, logged: Callable[..., Container]
) -> None:
    container = logged(COUNT.format(1000))
    all_ = await all_before(asking, container, 500)
    since, until = nanoseconds(all_[100]["time"].encode()), nanoseconds(all_[900]["time"].encode())
    span = {"since": f"{since // 10**9}.{since % 10**9:09d}"}
    span["until"] = f"{until // 10**9}.{until % 10**9:09d}"
    found = await asking.get(container.id, **span, limit=500)
    assert messages(found) == [*map(str, range(100, 900, 2))]
    assert (found["more"], found["note"]) == (True, "1 in 2 of 800 lines")
    found = await asking.get(container.id, since=0, until=span["since"], limit=500)
    assert messages(found) == [*map(str, range(100))]
    assert (found["more"], found["note"]) == (False, "")


@pytest.mark.parametrize("options", [(), ("--tty",)], ids=["no terminal", "a terminal"])
async def test_hostile_lines_are_lines(
    options: tuple[str, ...], asking: Asking, logged: Callable[..., Container]
) -> None:
    big = "head -c 10000000 /dev/zero | tr '\\000' x; echo"
    part = "head -c 40000 /dev/zero | tr '\\000' y; echo"
    container = logged(
        f"{big}; {part}; printf 'a\\000b\\n'; printf '\\377\\376\\n'; echo; "
        "printf '<b>\\033[2J\\n'; printf open",
        *options,
    )
    cut, joined, *others = await all_before(asking, container, 10)
    assert cut["message"] == "x" * past_lines.MOST_OF_LINE
    assert cut["cut"] is True
    assert joined["message"] == "y" * 40_000
    assert [one["message"] for one in others] == ["a\0b", "��", "", "<b>\x1b[2J", "open"]


async def test_the_beginning_of_a_line_that_the_tail_cuts_off_is_not_missing(
    asking: Asking, logged: Callable[..., Container]
) -> None:
    long = "head -c 3000000 /dev/zero | tr '\\000' x; echo"
    container = logged(f"echo first; {long}; echo last")
    found = await asking.get(container.id, before=NOW, limit=2)
    assert [len(one) for one in messages(found)] == [past_lines.MOST_OF_LINE, 4]
    assert found["more"] is True


async def test_of_a_log_of_long_lines_each_page_has_some(
    asking: Asking, logged: Callable[..., Container]
) -> None:
    line = "head -c 60000 /dev/zero | tr '\\000' x; echo"
    container = logged(f"i=0; while [ $i -lt 400 ]; do echo $i; {line}; i=$((i+1)); done")
    lines = await all_before(asking, container, 200)
    assert [one["message"] for one in lines[::2]] == [*map(str, range(400))]
    assert {len(one["message"]) for one in lines[1::2]} == {60_000}


async def test_a_log_that_is_rotated_while_it_is_read_is_read(
    asking: Asking, logged: Callable[..., Container]
) -> None:
    rotated = ("--log-opt", "max-size=20k", "--log-opt", "max-file=2")
    container = logged("while true; do seq 1 2000; usleep 1000; done", *rotated, wait=False)
    seen = 0
    for _ in range(20):
        for look in ({"before": NOW}, {"after": "1971-01-01T00:00:00Z"}):
            seen += len((await asking.get(container.id, **look))["lines"])
    assert seen > 1000


async def test_who_has_no_log_or_is_gone_is_said(
    asking: Asking, logged: Callable[..., Container], engine: PrivateEngine
) -> None:
    none = logged("echo x", "--log-driver", "none")
    status, text = await asking.refusal(none.id, before=NOW)
    assert status == 404
    assert f"{none.name} has no log that can be read" in text
    removed = logged("echo x")
    engine.docker("rm", removed.id)
    status, text = await asking.refusal(removed.id, before=NOW)
    assert (status, text) == (404, f"{removed.name} is removed, and its log with it\n")
    engine.docker("create", "--name", removed.name, "busybox:local", "true")
    asking.containers[removed.id] = Container("0" * 64, removed.name, "")
    status, text = await asking.refusal("nobody", before=NOW)
    assert (status, text) == (404, 'no container "nobody" is followed here\n')
    engine.docker("rm", removed.name)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({}, "say when"),
        ({"before": NOW, "after": NOW}, "say when"),
        ({"before": "yesterday"}, "before= is a time such as"),
        ({"before": "2026-13-45T99:99:99Z"}, "before= is a time such as"),
        ({"after": "0000-00-00T00:00:00Z"}, "after= is a time such as"),
        ({"after": "0001-01-01T00:00:00Z"}, "after= is a time such as"),
        ({"after": NOW + " x"}, "after= is a time such as"),
        ({"around": "9999-12-31T23:59:59-23:59"}, "around= is a time such as"),
        ({"since": "1"}, "until= is a number"),
        ({"since": "2", "until": "1"}, "since= is later"),
        ({"since": "nan", "until": "1"}, "since= is a number"),
        ({"since": "0", "until": "1e999999999"}, "until= is a number"),
        ({"since": "-1", "until": "1"}, "since= is a number"),
        ({"before": NOW, "until": "1"}, "until= belongs"),
        ({"before": NOW, "limit": "0"}, "limit= is a number"),
        ({"before": NOW, "limit": "-5"}, "limit= is a number"),
        ({"before": NOW, "limit": "²"}, "limit= is a number"),
        ({"before": NOW, "limit": "9" * 600}, '"limit" has more than'),
        ({"before": NOW, "tail": "1"}, 'there is no parameter "tail"'),
    ],
)
async def test_what_makes_no_sense_is_refused(
    query: dict[str, str], words: str, tmp_path: Path
) -> None:
    async with FakeEngine(tmp_path / "docker.sock") as fake, Asking(fake.url) as asking:
        asking.containers[ID] = Container(ID, "api-1", "")
        status, text = await asking.refusal(ID, **query)
        assert status == 400
        assert words in text
        assert not asked_for_logs(fake)


async def test_far_times_and_large_limits_are_answered(
    asking: Asking, logged: Callable[..., Container]
) -> None:
    container = logged("echo one")
    for look in (
        {"before": "1000-01-01T00:00:00Z"},
        {"after": "9999-12-31T23:59:59.999999999Z"},
        {"since": 0, "until": 0},
        {"since": LATEST, "until": LATEST},
    ):
        found = await asking.get(container.id, **look)
        assert (found["lines"], found["note"]) == ([], "")
    found = await asking.get(container.id, after="1000-01-01T00:00:00Z", limit=10**18)
    assert messages(found) == ["one"]


# ----------------------------------------------------------------------------------- bounds


async def test_no_more_is_read_than_the_bound_and_it_is_said(
    asking: Asking, logged: Callable[..., Container], monkeypatch: pytest.MonkeyPatch
) -> None:
    container = logged("seq 1 200000")
    monkeypatch.setattr(past_lines, "MOST_READ", 1 << 20)
    found = await asking.get(container.id, since=0, until=LATEST, limit=500)
    assert 0 < len(found["lines"]) <= 500
    assert found["more"] is True
    assert found["note"].startswith("1 MiB of this log were read; 1 in ")
    assert "this is what could be read, up to 20" in found["note"]


async def test_so_many_lines_at_once_that_no_window_is_short_enough_are_read_in_short_ones(
    asking: Asking, logged: Callable[..., Container], monkeypatch: pytest.MonkeyPatch
) -> None:
    container = logged("seq 1 100000; sleep 0.1; echo last")
    monkeypatch.setattr(past_lines, "TAILS", ())
    monkeypatch.setattr(past_lines, "OF_A_WINDOW", 1 << 20)
    last = (await asking.get(container.id, before=NOW, limit=1))["lines"][0]
    assert last["message"] == "last"
    found = await asking.get(container.id, before=last["time"], limit=200)
    assert messages(found) == [*map(str, range(99_801, 100_001))]


async def test_what_is_returned_is_bounded_in_bytes(
    asking: Asking, logged: Callable[..., Container], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_lines, "MOST_RETURNED", 100_000)
    line = "head -c 30000 /dev/zero | tr '\\000' x; echo"
    container = logged(f"for i in 1 2 3 4 5 6; do {line}; done")
    for tails in (past_lines.TAILS, ()):
        monkeypatch.setattr(past_lines, "TAILS", tails)
        found = await asking.get(container.id, before=NOW)
        assert (len(found["lines"]), found["more"]) == (3, True)
    found = await asking.get(container.id, after="1971-01-01T00:00:00Z")
    assert (len(found["lines"]), found["more"]) == (3, True)
    found = await asking.get(container.id, since=0, until=LATEST)
    assert (len(found["lines"]), found["note"]) == (3, "1 in 2 of 6 lines")


def asked_for_logs(fake: FakeEngine) -> int:
    return len([one for one in fake.requests if one.path.endswith("/logs")])


def fake_line(number: int) -> bytes:
    return frame(b"line %d\n" % number, at=f"2026-01-31T23:59:59.{number:09d}Z")


async def test_an_engine_that_is_slow_is_not_waited_for_and_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(past_lines, "SECONDS", 0.2)
    async with FakeEngine(tmp_path / "docker.sock") as fake, Asking(fake.url) as asking:
        asking.containers[ID] = Container(ID, "api-1", "")
        fake.answer(f"/containers/{ID}/logs", [head(), fake_line(1), Fault.STALL])
        found = await asking.get(ID, after="2026-01-31T00:00:00Z")
        assert messages(found) == ["line 1"]
        assert found["more"] is True
        assert found["note"] == "the Engine took more than 0.2 s to read this log"
        found = await asking.get(ID, before=NOW)
        assert (found["lines"], found["more"]) == ([], True)
        assert "older lines are further back than could be read" in found["note"]


async def test_when_the_client_goes_the_stream_of_the_engine_is_closed(tmp_path: Path) -> None:
    async with FakeEngine(tmp_path / "docker.sock") as fake, Asking(fake.url) as asking:
        asking.containers[ID] = Container(ID, "api-1", "")
        fake.answer(f"/containers/{ID}/logs", [head(), fake_line(1), *[0.05, fake_line(2)] * 1000])
        reader, writer = await asyncio.open_connection(*asking.server.address.rsplit(":", 1))
        query = f"container={ID}&after=2026-01-31T00:00:00Z"
        writer.write(f"GET /api/lines?{query} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        async with asyncio.timeout(30):
            while not asked_for_logs(fake):
                await asyncio.sleep(0.01)
            writer.close()
            sent = -1
            while sent != fake.sent:
                sent = fake.sent
                await asyncio.sleep(0.5)
        assert sent < 1000
        del reader


async def test_one_client_is_answered_one_at_a_time_and_so_many_in_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(past_lines, "SECONDS", 60.0)
    go_on = asyncio.Event()
    async with FakeEngine(tmp_path / "docker.sock") as fake, Asking(fake.url) as asking:
        asking.containers[ID] = Container(ID, "api-1", "")
        fake.answer(f"/containers/{ID}/logs", [head(), fake_line(1), go_on])
        look = {"after": "2026-01-31T00:00:00Z"}
        async with asyncio.TaskGroup() as tasks:
            waiting = [tasks.create_task(asking.refusal(ID, **look)) for _ in range(6)]
            async with asyncio.timeout(30):
                while sum(task.done() for task in waiting) < 2 or not asked_for_logs(fake):
                    await asyncio.sleep(0.01)
            assert asked_for_logs(fake) == 1
            refused = [task.result()[0] for task in waiting if task.done()]
            assert refused == [503, 503]
            go_on.set()
        assert sorted(task.result()[0] for task in waiting) == [200] * 4 + [503] * 2


async def test_damage_is_said_in_dockerds_words(tmp_path: Path) -> None:
    async with FakeEngine(tmp_path / "docker.sock") as fake, Asking(fake.url) as asking:
        asking.containers[ID] = Container(ID, "api-1", "")
        said = b"Error grabbing logs: invalid character 'x'\n"
        error = bytes([3, 0, 0, 0]) + len(said).to_bytes(4, "big") + said
        fake.answer(f"/containers/{ID}/logs", [head(), fake_line(1), error])
        found = await asking.get(ID, after="2026-01-31T00:00:00Z")
        assert messages(found) == ["line 1"]
        assert found["note"] == f"the Engine reports: {said.decode().strip()}"
        fake.answer(f"/containers/{ID}/logs", [head(), b"\7" * 100])
        assert (await asking.refusal(ID, after=NOW))[0] in (200, 503)
        fake.answer(f"/containers/{ID}/logs", [b"HTTP/1.1 500 x\r\n\r\nno"])
        status, text = await asking.refusal(ID, after=NOW)
        assert status == 503
        assert "the log of api-1 cannot be read now" in text


async def test_who_may_not_tap_may_not_see_them_and_without_an_engine_there_are_none(
    tmp_path: Path,
) -> None:
    async with FakeEngine(tmp_path / "docker.sock") as fake, Asking(fake.url, "off") as asking:
        asking.containers[ID] = Container(ID, "api-1", "")
        status, text = await asking.refusal(ID, before=NOW)
        assert status == 403
        assert 'http.tap = "all"' in text
    container = Container(ID, "api-1", "")
    hub = page.Lines(None, lambda name: container, Guard("x", "http.tap", "y"))
    server = Server("127.0.0.1:0", [web.get("/api/lines", hub.handle)])
    await server.start()
    try:
        url = f"http://{server.address}/api/lines?container=a&before={NOW}"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            assert answer.status == 404
            assert "reads no Docker Engine" in await answer.text()
    finally:
        await server.close()
