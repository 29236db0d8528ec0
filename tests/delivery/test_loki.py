"""Loki: what was answered is there, what was not comes again, as does what was with a bad entry."""

from __future__ import annotations

import itertools
from collections import Counter

import cramjam
import pytest

from pipeline.model.component import BatchConfig, Size
from tests.delivery.sending import numbers, sending, until
from tests.servers.http_receiver import Request, answer, http_receiver

LINES = 5000
TAKEN = answer(204)


def came(request: Request) -> list[int]:
    return numbers(bytes(cramjam.snappy.decompress_raw(request.body)))


@pytest.mark.parametrize("trouble", [b"", b"HTTP/1.1 204 No", answer(503)])
async def test_what_was_not_answered_comes_again_and_nothing_else(trouble: bytes) -> None:
    """The connection breaks before the answer or in it; or it is said that it was not taken."""
    turn = itertools.count(1)
    async with http_receiver(lambda request: trouble if next(turn) == 3 else TAKEN) as to:
        batch = BatchConfig(bytes=Size(2**16))
        async with sending("loki", url=to.url, batch=batch) as sent:
            sent.lines(LINES)
            await until(lambda: sent.settled == LINES)
            assert sent.delivered == LINES
    requests = [came(request) for request in to.requests]
    assert requests[2] == requests[3]
    del requests[2]
    assert list(itertools.chain(*requests)) == list(range(LINES))


async def test_what_was_sent_with_a_bad_entry_comes_again_and_that_one_is_dropped() -> None:
    """Loki takes the others of a request that it answers with 400, and keeps them once."""
    bad = 2345

    def judge(request: Request) -> bytes:
        return answer(400, b"it is bad") if bad in came(request) else TAKEN

    batch = BatchConfig(bytes=Size(2**16))
    async with http_receiver(judge) as to, sending("loki", url=to.url, batch=batch) as sent:
        sent.lines(LINES)
        await until(lambda: sent.settled == LINES)
        assert sent.delivered == LINES - 1
        assert sent.count("dropped_entries", reason="refused") == 1
    requests = [came(request) for request in to.requests]
    with_it = next(numbers for numbers in requests if bad in numbers)
    times = Counter(itertools.chain(*requests))
    assert set(times) == set(range(LINES))
    assert {number for number, count in times.items() if count > 1} == set(with_it)
    taken = Counter(itertools.chain(*[one for one in requests if bad not in one]))
    assert taken == dict.fromkeys(set(range(LINES)) - {bad}, 1)
