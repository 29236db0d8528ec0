"""Elasticsearch: what was not answered comes again, and is stored once."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from pipeline.model.component import BatchConfig, Size
from tests.delivery.sending import numbers, sending, until
from tests.servers.elasticsearch import BUSY, Elasticsearch, Judgement
from tests.servers.http_receiver import Request, answer, http_receiver

LINES = 5000
BATCH = BatchConfig(bytes=Size(2**16))


def stored(server: Elasticsearch) -> list[int]:
    return [number for message in server.messages for number in numbers(message.encode())]


@pytest.mark.parametrize(
    "trouble", [b"", b"HTTP/1.1 200 OK\r\nContent-Le", answer(503), answer(200, b'{"items":[{"cr')]
)
async def test_what_was_not_answered_comes_again_and_is_stored_once(trouble: bytes) -> None:
    """All of it had been stored when the connection broke, or the answer was no good."""
    turn = itertools.count(1)
    server = Elasticsearch()

    def judge(request: Request) -> bytes:
        said = server(request)
        return trouble if next(turn) == 3 else said

    async with (
        http_receiver(judge) as to,
        sending("elasticsearch", urls=[to.url], batch=BATCH) as sent,
    ):
        sent.lines(LINES)
        await until(lambda: sent.settled == LINES)
        assert sent.delivered == LINES
    assert stored(server) == list(range(LINES))
    assert server.requests[2] == server.requests[3]
    assert server.conflicts == len(server.requests[3])
    assert sum(map(len, server.requests)) == LINES + server.conflicts


async def test_of_what_was_taken_in_part_only_the_rest_comes_again() -> None:
    server = Elasticsearch()

    def busy(document: dict[str, Any]) -> Judgement:
        odd = document["event"]["sequence"] % 2
        return BUSY if odd and len(server.requests) == 3 else None

    server.judge = busy
    async with (
        http_receiver(server) as to,
        sending("elasticsearch", urls=[to.url], batch=BATCH) as sent,
    ):
        sent.lines(LINES)
        await until(lambda: sent.settled == LINES)
        assert sent.delivered == LINES
    came = [[document["event"]["sequence"] for document in some] for some in server.requests]
    assert came[3] == [number for number in came[2] if number % 2]
    assert sorted(stored(server)) == list(range(LINES))
    assert server.conflicts == 0
