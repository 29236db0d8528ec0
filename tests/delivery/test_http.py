"""HTTP: what was answered is there, what was not comes again."""

from __future__ import annotations

import itertools

import pytest

from pipeline.component import BatchConfig, Size
from tests.delivery.sending import numbers, sending, until
from tests.servers.http_receiver import OK, Request, answer, http_receiver

LINES = 5000
KINDS = ["http", "victorialogs"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("trouble", [b"", b"HTTP/1.1 200 OK\r\nContent-Le", answer(503)])
async def test_what_was_not_answered_comes_again_and_nothing_else(
    kind: str, trouble: bytes
) -> None:
    """The connection breaks before the answer or in it; or it is said that it was not taken."""
    turn = itertools.count(1)

    async with http_receiver(lambda request: trouble if next(turn) == 3 else OK) as to:
        batch = BatchConfig(bytes=Size(2**16))
        async with sending(kind, url=to.url, batch=batch) as sent:
            sent.lines(LINES)
            await until(lambda: sent.settled == LINES)
            assert sent.delivered == LINES
    requests = [numbers(request.body) for request in to.requests]
    assert requests[2] == requests[3]
    del requests[2]
    assert list(itertools.chain(*requests)) == list(range(LINES))


@pytest.mark.parametrize("kind", KINDS)
async def test_of_what_was_too_large_only_what_was_not_answered_comes_again(kind: str) -> None:
    turn = itertools.count(1)

    def judge(request: Request) -> bytes:
        if len(request.lines) > 1000:
            return answer(413)
        return answer(503) if next(turn) == 3 else OK

    large = BatchConfig(bytes=Size(2**22))
    async with http_receiver(judge) as to, sending(kind, url=to.url, batch=large) as sent:
        sent.lines(LINES)
        await until(lambda: sent.settled == LINES)
    came = [numbers(request.body) for request in to.requests if len(request.lines) <= 1000]
    assert came[2] == came[3]
    del came[2]
    assert list(itertools.chain(*came)) == list(range(LINES))
