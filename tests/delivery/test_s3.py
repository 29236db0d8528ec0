"""S3: an object is stored or it is not, and is stored again under its own key."""

from __future__ import annotations

import itertools

import pytest

from pipeline.model.batch import Batch
from pipeline.model.component import Duration, SinkContext, Size
from pipeline.sinks.s3 import S3, Config, S3BatchConfig
from pipeline.testing.builders import batch, container
from tests.delivery.sending import line, numbers, sending, until
from tests.servers.http_receiver import OK, answer, http_receiver
from tests.servers.s3 import KEYS, S3Server

LINES = 5000
A, B = container("a"), container("b", number=2)
PLAIN = {"path_style": True, "compression": "none", **KEYS}


@pytest.mark.parametrize("trouble", [answer(200, b"x" * 50)[:40], answer(503)])
async def test_an_object_that_was_not_answered_is_stored_again_under_its_key(
    trouble: bytes,
) -> None:
    turn = itertools.count(1)
    gathers = S3BatchConfig(bytes=Size(2**18), linger=Duration(0))

    def judge(request: object) -> bytes:
        return trouble if request.method == "PUT" and next(turn) == 2 else OK  # type: ignore[attr-defined]

    async with http_receiver(judge) as to:
        settings = {"bucket": "logs", "endpoint": to.url, "batch": gathers, **PLAIN}
        async with sending("s3", **settings) as sent:
            sent.lines(LINES)
            await until(lambda: sent.settled == LINES)
            assert sent.delivered == LINES
        puts = [request for request in to.requests if request.method == "PUT"]
    first, second, again, *_ = puts
    assert (second.path, second.body) == (again.path, again.body)
    assert first.path != second.path
    objects = {request.path: numbers(request.body) for request in puts}
    assert len(objects) == len(puts) - 1
    assert sorted(itertools.chain(*objects.values())) == list(range(LINES))


async def put(server: S3Server, *batches: Batch, prefix: str = "{container.name}/") -> None:
    """As an agent that is killed when the store has it and nobody knows of that yet."""
    config = Config(type="s3", bucket="logs", endpoint=server.url, prefix=prefix, **PLAIN)
    one = S3(config, SinkContext("out"))
    await one.open()
    await one.send(one.encode(batches))
    await one.close()


def some(start: int, end: int, of: object = A) -> Batch:
    return batch(*map(line, range(start, end)), of=of, start=start)  # type: ignore[arg-type]


def stored(server: S3Server) -> list[int]:
    return sorted(number for key in server.objects() for number in numbers(server.body(key)))


async def test_what_a_killed_agent_reads_again_replaces_the_object_of_its_container(
    s3: S3Server,
) -> None:
    await put(s3, some(0, 500), some(0, 10, B))
    await put(s3, some(0, 300), some(300, 700), some(0, 10, B))
    await put(s3, some(700, 800))
    assert stored(s3) == sorted([*range(800), *range(10)])


async def test_what_it_reads_again_of_an_object_of_several_is_beside_it_and_nothing_is_lost(
    s3: S3Server,
) -> None:
    """Each container resumes at its own place."""
    await put(s3, some(0, 500), some(500, 600, B), prefix="all/")
    await put(s3, some(0, 200), prefix="all/")
    assert set(stored(s3)) == set(range(600))
    assert len(s3.objects()) == 2
    await put(s3, some(0, 500), some(500, 600, B), prefix="all/")
    assert len(s3.objects()) == 2
