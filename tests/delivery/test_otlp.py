"""OTLP: what was answered is there, what was not comes again, and what was rejected does not."""

from __future__ import annotations

import itertools

import pytest

from pipeline.accounting.envelope import Envelope
from pipeline.model.component import BatchConfig, Size
from pipeline.testing.builders import batch, container
from tests.delivery.sending import numbers, sending, until
from tests.servers.http_receiver import OK, Request, answer, http_receiver
from tests.servers.otlp import some_rejected

LINES = 5000


@pytest.mark.parametrize("trouble", [b"", b"HTTP/1.1 200 OK\r\nContent-Le", answer(503)])
async def test_requests_that_were_not_answered_come_again_and_nothing_else(
    trouble: bytes,
) -> None:
    """The connection breaks before the answer or in it; or it is said that it was not taken."""
    turn = itertools.count(1)
    async with http_receiver(lambda request: trouble if next(turn) == 3 else OK) as to:
        batch = BatchConfig(bytes=Size(2**16))
        async with sending("otlp", url=to.url, batch=batch) as sent:
            sent.lines(LINES)
            await until(lambda: sent.settled == LINES)
            assert sent.delivered == LINES
    requests = [numbers(request.body) for request in to.requests]
    assert requests[2] == requests[3]
    del requests[2]
    assert list(itertools.chain(*requests)) == list(range(LINES))


async def test_what_was_rejected_is_counted_as_dropped_and_does_not_come_again() -> None:
    rejected = 7
    turn = itertools.count(1)

    def judge(request: Request) -> bytes:
        return some_rejected(rejected, "too old") if next(turn) == 2 else OK

    async with http_receiver(judge) as to, sending("otlp", url=to.url) as sent:
        sent.lines(LINES)
        await until(lambda: sent.settled == LINES)
        assert sent.delivered == LINES - rejected
        assert sent.count("dropped_entries", reason="refused") == rejected
    came = [number for request in to.requests for number in numbers(request.body)]
    assert came == list(range(LINES))


async def test_one_entry_that_is_answered_503_for_ever_holds_nobody_up() -> None:
    """As a Collector answers, whose pipeline returns an error that it does not call permanent."""

    def judge(request: Request) -> bytes:
        return answer(503) if b"bad" in request.body else OK

    async with http_receiver(judge) as to, sending("otlp", url=to.url) as sent:

        def has_come(name: bytes) -> bool:
            return any(name in request.body for request in to.requests)

        assert sent.output.offer(Envelope(batch("bad")))
        await until(lambda: sent.count("retried_payloads") > 3)
        for number in range(1, 12):
            good = batch("x", of=container(f"c-{number:02}", number=number))
            assert sent.output.offer(Envelope(good))
            await until(lambda: has_come(b"c-%02d" % number))  # noqa: B023
        await until(lambda: sent.delivered + sent.count("dropped_entries", reason="refused") == 12)
        assert sent.delivered == 11
        assert sent.output.delivery.problem is None
