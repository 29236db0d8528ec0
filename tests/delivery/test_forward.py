"""Fluent forward: nothing is lost, and what comes twice are chunks that were not acknowledged."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from tests.delivery.sending import LINES_OF_A_BATCH, numbers, sending, until
from tests.servers.fluent import Chunk, Fluentd, ack
from tests.servers.receivers import Handler, serve

LINES = 5000


async def test_reset_before_it_could_acknowledge_a_chunk_exactly_that_chunk_comes_again() -> None:
    answers = 0

    async def never(chunk: Chunk) -> AsyncIterator[bytes | None]:
        nonlocal answers
        answers += 1
        yield None if answers == 3 else ack(chunk.identity)

    server = Fluentd(never)
    received = await _received(server)
    third = _numbers(server.chunks[2])
    assert third == _numbers(server.chunks[3])
    assert LINES_OF_A_BATCH <= len(third) < LINES
    assert received == [*range(third[-1] + 1), *range(third[0], LINES)]


async def test_reset_in_the_middle_of_a_chunk_nothing_is_lost_and_nothing_comes_twice() -> None:
    server = Fluentd()

    async def once_cut_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not server.connections:
            server.connections += 1
            await reader.readexactly(500)
            writer.transport.abort()
        else:
            await server(reader, writer)

    assert await _received(server, once_cut_off) == list(range(LINES))


def _numbers(chunk: Chunk) -> list[int]:
    return [number for message in chunk.messages for number in numbers(message.encode())]


async def _received(server: Fluentd, handler: Handler | None = None) -> list[int]:
    """Of all chunks that came whole, when all lines are delivered."""
    async with (
        serve(handler or server) as port,
        sending("forward", address=f"tcp://127.0.0.1:{port}") as sent,
    ):
        sent.lines(LINES)
        await until(lambda: sent.settled == LINES)
        assert sent.delivered == LINES
    return [number for chunk in server.chunks for number in _numbers(chunk)]
