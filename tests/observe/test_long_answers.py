"""Long answers are made one at a time, sent in pieces, and held for a few clients only."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator

import msgspec
import pytest
import pytest_asyncio
from aiohttp import ClientSession, web

from pipeline.observe.long_answers import TOGETHER, LongAnswers, encode_all, with_list
from pipeline.observe.server import Server

LONG = random.Random(1).randbytes(1 << 20).hex().encode()
"""What a socket does not hold, in part of an answer."""


class Thing(msgspec.Struct):
    text: str
    things: list[int]
    more: dict[str, int] = {}


class Serving:
    def __init__(self) -> None:
        self.made = self.making = self.most = 0
        self.answers = LongAnswers()
        self.server = Server("127.0.0.1:0", [web.get("/", self._handle)])

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        return await self.answers.answer(request, self._make)

    async def _make(self) -> list[bytes]:
        self.making += 1
        self.most = max(self.most, self.making)
        await asyncio.sleep(0.01)
        self.making -= 1
        self.made += 1
        return [b'["', *[LONG] * 8, b'"]']

    @property
    def url(self) -> str:
        return f"http://{self.server.address}/"

    async def slow(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A client that reads the head of its answer, and no more."""
        host, port = self.server.address.rsplit(":", 1)
        reader, writer = await asyncio.open_connection(host, int(port), limit=1 << 16)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        return reader, writer


@pytest_asyncio.fixture
async def serving() -> AsyncIterator[Serving]:
    serving = Serving()
    await serving.server.start()
    yield serving
    await serving.server.close()


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
async def test_an_answer_comes_whole(serving: Serving, encoding: str) -> None:
    headers = {"Accept-Encoding": encoding}
    async with ClientSession() as client, client.get(serving.url, headers=headers) as response:
        assert response.content_type == "application/json"
        assert response.headers.get("Content-Encoding", "identity") == encoding
        assert await response.read() == b'["%b"]' % (LONG * 8)


async def test_head_has_no_body(serving: Serving) -> None:
    headers = {"Accept-Encoding": "identity"}
    async with ClientSession() as client, client.head(serving.url, headers=headers) as response:
        assert int(response.headers["Content-Length"]) == 8 * len(LONG) + 4
        assert await response.read() == b""


async def test_one_is_made_at_a_time(serving: Serving) -> None:
    async def ask() -> int:
        async with ClientSession() as client, client.get(serving.url) as response:
            await response.read()
            return response.status

    assert await asyncio.gather(*(ask() for _ in range(6))) == [200] * 6
    assert (serving.made, serving.most) == (6, 1)


async def test_there_are_only_so_many_at_once(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.observe.long_answers.MOST", 2)
    slow = [await serving.slow() for _ in range(2)]
    async with ClientSession() as client, client.get(serving.url) as response:
        assert response.status == 503
        assert await response.text() == "too many ask for this at once; ask again\n"
    assert serving.made == 2, "nothing is made for who gets nothing"
    for _, writer in slow:
        writer.transport.abort()


async def test_a_slow_client_gives_its_place_to_a_new_one(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.observe.long_answers.MOST", 2)
    monkeypatch.setattr("pipeline.observe.long_answers.SLOW", 0.05)
    slow = [await serving.slow() for _ in range(2)]
    await asyncio.sleep(0.1)
    async with ClientSession() as client, client.get(serving.url) as response:
        assert response.status == 200
        await response.read()
    for _, writer in slow:
        writer.transport.abort()


async def test_a_slow_client_is_ended(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.observe.server.SEND_TIMEOUT", 0.2)
    reader, writer = await serving.slow()
    await asyncio.sleep(0.6)
    writer.transport.resume_reading()  # type: ignore[attr-defined]
    size = 0
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        while True:
            size += len(await reader.readexactly(1 << 16))
    assert size < 8 * len(LONG)
    assert not len(serving.answers._slots)
    writer.close()


async def test_nothing_is_made_for_who_has_gone(serving: Serving) -> None:
    async with serving.answers._one:
        host, port = serving.server.address.rsplit(":", 1)
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        while not len(serving.answers._slots):
            await asyncio.sleep(0.01)
        writer.transport.abort()
        await asyncio.sleep(0.1)
    async with ClientSession() as client, client.get(serving.url) as response:
        await response.read()
    assert serving.made == 1


@pytest.mark.parametrize("count", [0, 1, TOGETHER, TOGETHER + 1, 3 * TOGETHER])
def test_a_list_is_put_in_its_place_whatever_is_in_the_texts(count: int) -> None:
    for text in ('"things":[', "\\", '","things":[', "\udcff", ""):
        elements = [b"%d" % number for number in range(count)]
        found = json.loads(b"".join(with_list(Thing(text, [], {text: 1}), "things", elements)))
        shown = text.replace("\udcff", "\ufffd")
        assert found == {"text": shown, "things": list(range(count)), "more": {shown: 1}}


async def test_the_loop_turns_between_any_two_elements(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.support.selector.SLICE", 0.0)
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    counting = asyncio.get_running_loop().create_task(count())
    encoded = await encode_all(Thing("x", [number]) for number in range(50))
    counting.cancel()
    assert turns >= 50 and len(encoded) == 50
