"""Logstash over Lumberjack: nothing is lost, and what comes twice is what was not acknowledged."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from pipeline.model.component import BatchConfig, Size
from tests.delivery.sending import numbers, sending, until
from tests.servers.receivers import Beats, ack, serve

LINES, WINDOW = 5000, 1000


async def test_reset_after_a_part_of_a_window_exactly_the_rest_of_it_comes_again() -> None:
    answers = 0

    async def partly(count: int) -> AsyncIterator[bytes | None]:
        nonlocal answers
        answers += 1
        if answers == 3:
            yield ack(300)
            yield None
        yield ack(count)

    assert await _received(Beats(answers=partly)) == [
        *range(3000), *range(2300, LINES),
    ]  # fmt: skip


async def test_reset_before_it_could_acknowledge_a_window_all_of_it_comes_again() -> None:
    answers = 0

    async def never(count: int) -> AsyncIterator[bytes | None]:
        nonlocal answers
        answers += 1
        yield None if answers == 3 else ack(count)

    assert await _received(Beats(answers=never)) == [*range(3000), *range(2000, LINES)]


async def test_reset_in_the_middle_of_a_window_nothing_is_lost_and_nothing_comes_twice() -> None:
    beats = Beats()

    async def once_cut_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not beats.connections:
            beats.connections += 1
            await reader.readexactly(500)
            writer.transport.abort()
        else:
            await beats(reader, writer)

    assert await _received(beats, once_cut_off) == list(range(LINES))


async def _received(beats: Beats, handler: object = None) -> list[int]:
    """Of all windows that came whole, when all lines are delivered."""
    settings = {"window": WINDOW, "batch": BatchConfig(bytes=Size(2**22))}
    async with serve(handler or beats) as port:  # type: ignore[arg-type]
        address = f"lumberjack://127.0.0.1:{port}"
        async with sending("logstash", address=address, **settings) as sent:
            sent.lines(LINES)
            await until(lambda: sent.settled == LINES)
            assert sent.delivered == LINES
    return [number for event in beats.events for number in numbers(event)]
