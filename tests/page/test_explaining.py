"""`/api/explain` and `/api/try` over HTTP, with the real process behind them."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from pipeline.config.file import parse
from pipeline.explain import process
from pipeline.explain.explainer import Explainer
from pipeline.explain.facts import Found
from pipeline.observe.access import Access, Gate, Guard, guarded
from pipeline.observe.server import Server
from pipeline.page import explaining
from pipeline.page.explaining import LARGEST_BODY, MOST_AT_ONCE, Explaining
from pipeline.testing.builders import container
from tests.suite.waiting import until

TOKEN = "a-token-of-some-length"
READING = parse(
    '[sinks.out]\ntype = "console"\n[routes.all]\nstages = [{ parse = "json" }]\nto = ["out"]\n', {}
)
LINE = {"text": '{"n":1}', "stream": "stderr", "time": "2026-05-01T02:00:00+02:00"}
TRY: dict[str, Any] = {"container": "api-1", "route": "all", "stages": "", "lines": [LINE]}


class Serving:
    def __init__(self, access: Access = "all") -> None:
        self.process = process.Process()
        explainer = Explainer(
            lambda: READING,
            lambda name: Found(container()) if name == "api-1" else None,
            self.process,
        )
        guard = Guard("explaining lines", "http.tap", "run dockline explain", access)
        routes = Explaining(explainer, guard).routes
        self.server = Server("127.0.0.1:0", routes, [guarded(Gate(TOKEN))])

    async def ask(
        self, method: str, path: str, body: bytes | None = None, token: str = TOKEN
    ) -> tuple[int, str]:
        headers = {"Authorization": f"Bearer {token}"}
        url = f"http://{self.server.address}{path}"
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, url, data=body, headers=headers) as answer,
        ):
            return answer.status, await answer.text()

    async def post(self, path: str, body: object) -> tuple[int, Any]:
        status, text = await self.ask("POST", path, json.dumps(body).encode())
        return status, json.loads(text) if status == 200 else text

    async def connect(
        self, body: bytes, length: int | None = None, token: str = TOKEN
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, port = self.server.address.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        head = f"POST /api/try HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"
        length = len(body) if length is None else length
        writer.write(f"{head}Content-Length: {length}\r\n\r\n".encode() + body)
        return reader, writer


@pytest_asyncio.fixture
async def serving(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Serving]:
    monkeypatch.setattr(process, "SECONDS", 60.0)
    monkeypatch.setattr(process, "START_SECONDS", 60.0)
    serving = Serving()
    await serving.server.start()
    yield serving
    await serving.server.close()
    await until(lambda: not serving.process.busy)  # a loop that ends would cut its end short


@pytest.mark.server
async def test_lines_are_explained_and_tried(serving: Serving) -> None:
    status, facts = await serving.post("/api/explain", {"container": "api-1", "lines": [LINE]})
    assert status == 200
    assert [way["route"] for way in facts["lines"][0]["routes"]] == ["all"]
    stages = 'stages = [{ parse = "json" }, { set = { a = "b" } }]'
    status, facts = await serving.post("/api/try", {**TRY, "stages": stages})
    assert status == 200
    entry = facts["lines"][0]["entry"]
    assert (entry["n"], entry["a"], entry["stream"]) == (1, "b", "stderr")
    assert entry["@timestamp"] == "2026-05-01T00:00:00.000000000Z"
    assert facts["toml"] == '[routes.all]\nto = ["out"]\n' + stages
    status, facts = await serving.post("/api/try", {**TRY, "stages": "stages = [{ pars = 1 }]"})
    assert (status, facts["errors"][0]["where"]) == (200, "stages[0].pars")


async def test_a_container_is_explained_and_a_route_shown_without_a_process(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(serving.process.__class__, "_run")
    status, facts = await serving.post("/api/explain", {"container": "api-1"})
    assert (status, facts["lines"], facts["followed"]) == (200, [], True)
    status, text = await serving.ask("GET", "/api/try?route=all")
    assert json.loads(text) == {
        "route": "all",
        "stages": 'stages = [{ parse = "json" }]\n',
        "place": "built-in defaults:3",
    }


@pytest.mark.parametrize(
    ("path", "body", "status", "text"),
    [
        ("explain", b"{", 400, "this is not the JSON that /api/explain takes"),
        ("explain", b"\xff", 400, "this is not the JSON"),
        ("explain", b"[" * 90_000, 400, "this is not the JSON"),
        ("explain", b"{}", 400, "missing required field `container`"),
        ("explain", {"container": 1}, 400, "Expected `str`, got `int` - at `$.container`"),
        ("explain", {"container": "api-1", "lines": [LINE] * 21}, 400, "length <= 20"),
        ("explain", {"container": "nowhere"}, 404, "there is no such container"),
        ("try", {**TRY, "lines": [LINE] * 201}, 400, "length <= 200"),
        ("try", {**TRY, "lines": [{"text": "x", "stream": "x"}]}, 400, "Invalid enum value"),
        ("try", {**TRY, "lines": [{"text": "x", "time": "noon"}]}, 400, '"noon" is not a time'),
        ("try", {**TRY, "more": 1}, 400, "unknown field"),
        ("try", {**TRY, "container": "nowhere"}, 404, "there is no such container"),
        ("try", {**TRY, "route": "nowhere"}, 404, "there is no such route"),
        ("try", {**TRY, "stages": "#" * LARGEST_BODY}, 413, "more than 96 KiB"),
    ],
)
async def test_a_wrong_request_is_answered_with_a_sentence(
    path: str, body: Any, status: int, text: str, serving: Serving
) -> None:
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    got, said = await serving.ask("POST", f"/api/{path}", sent)
    assert got == status
    assert text in said
    assert len(said.splitlines()) == 1


async def test_a_route_has_to_be_named_and_be_there(serving: Serving) -> None:
    assert (await serving.ask("GET", "/api/try"))[0] == 400
    assert await serving.ask("GET", "/api/try?route=x") == (404, "there is no such route\n")


@pytest.mark.parametrize("access", ["off", "local"])
async def test_who_may_not_tap_may_not_see_lines(access: Access) -> None:
    serving = Serving(access)
    await serving.server.start()
    lines = {"container": "api-1", "lines": [LINE]}
    if access == "local":
        forwarded = {"Authorization": f"Bearer {TOKEN}", "X-Forwarded-For": "10.0.0.1"}
        url = f"http://{serving.server.address}/api/try?route=all"
        async with aiohttp.ClientSession() as session, session.get(url, headers=forwarded) as got:
            assert got.status == 403
    else:
        for answer in (
            await serving.ask("GET", "/api/try?route=all"),
            await serving.post("/api/try", TRY),
            await serving.post("/api/explain", lines),
        ):
            assert answer[0] == 403
            assert "http.tap" in answer[1]
    assert (await serving.post("/api/explain", {"container": "api-1"}))[0] == 200
    await serving.server.close()


async def test_without_the_token_no_body_is_waited_for(serving: Serving) -> None:
    reader, writer = await serving.connect(b"", length=90_000, token="wrong")
    assert b" 401 " in await reader.readline()
    writer.close()


async def test_a_body_that_does_not_come_is_given_up(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explaining, "BODY_SECONDS", 0.05)
    reader, writer = await serving.connect(b"{", length=90_000)
    assert b" 408 " in await reader.readline()
    writer.close()


@pytest.mark.server
async def test_the_largest_body_arrives(serving: Serving) -> None:
    body = json.dumps({**TRY, "lines": []}).encode()
    status, _ = await serving.ask("POST", "/api/try", body + b" " * (LARGEST_BODY - len(body)))
    assert status == 200


def slow(monkeypatch: pytest.MonkeyPatch, serving: Serving) -> None:
    """Has the process be started and say nothing."""
    code = "import sys, time; print(flush=True); time.sleep(60)"
    monkeypatch.setattr(serving.process, "_command", [sys.executable, "-c", code])


def children() -> list[str]:
    listed = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return [one for one in listed if "time.sleep" in command_of(one)]


def command_of(process: str) -> str:
    """Empty for a process that has ended meanwhile."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{process}/cmdline").read_text()
    return ""


@pytest.mark.server
async def test_a_client_that_goes_ends_its_process(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow(monkeypatch, serving)
    _, writer = await serving.connect(json.dumps(TRY).encode())
    await until(lambda: len(children()) == 1)
    writer.transport.abort()
    await until(lambda: not children())
    await until(lambda: not serving.process.busy)


@pytest.mark.server
async def test_another_one_meanwhile_is_refused_and_so_are_too_many_bodies(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow(monkeypatch, serving)
    _, first = await serving.connect(json.dumps(TRY).encode())
    await until(lambda: len(children()) == 1)
    assert await serving.post("/api/try", TRY) == (503, f"{process.BUSY}\n")
    held = [await serving.connect(b"{", length=90_000) for _ in range(MOST_AT_ONCE - 1)]
    for _ in range(100):
        status, text = await serving.post("/api/explain", {"container": "api-1"})
        if status == 503:
            break
        await asyncio.sleep(0.01)
    assert (status, text) == (503, "others ask for this already: ask again soon\n")
    for writer in (first, *[writer for _, writer in held]):
        writer.transport.abort()
    await until(lambda: not children())


@pytest.mark.server
async def test_one_that_takes_too_long_is_refused(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow(monkeypatch, serving)
    monkeypatch.setattr(process, "SECONDS", 0.1)
    assert await serving.post("/api/try", TRY) == (503, f"{process.SLOW}\n")
    assert not children()


@pytest.mark.server
async def test_a_closing_server_leaves_no_process(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow(monkeypatch, serving)
    _, writer = await serving.connect(json.dumps(TRY).encode())
    await until(lambda: len(children()) == 1)
    await serving.server.close()
    await until(lambda: not children())
    writer.close()
