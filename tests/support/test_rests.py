"""Streams that rest until about the same time are read together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from pipeline.support.rests import AT_ONCE, COARSE, FINE, LONG, Rests


class Stream:
    """Notes the end of its rest in `ended`, which several share."""

    def __init__(self, ended: list[Stream], *, fails: bool = False) -> None:
        self.closed = False
        self._ended = ended
        self._fails = fails

    def rested(self) -> None:
        self._ended.append(self)
        if self._fails:
            raise MemoryError

    def close(self) -> None:
        self.closed = True


def on_a_loop(run: Callable[[asyncio.AbstractEventLoop, Rests], Awaitable[None]]) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        await run(loop, Rests(loop))

    asyncio.run(main())


@pytest.mark.parametrize("seconds", [0.003, 0.05])
def test_a_rest_ends_in_time_and_not_much_later(seconds: float) -> None:
    due: list[float] = []

    async def run(loop: asyncio.AbstractEventLoop, rests: Rests) -> None:
        loop.call_at = lambda when, *_: due.append(when)  # type: ignore[method-assign,assignment]
        before = loop.time()
        rests.begin(Stream([]), seconds)
        longest = COARSE * FINE if seconds >= LONG else FINE
        assert before + seconds <= due[0] <= loop.time() + seconds + longest

    on_a_loop(run)


def test_streams_that_rest_as_long_have_one_timer_and_a_turn_ends_a_few_of_the_rests() -> None:
    ended: list[Stream] = []

    async def run(loop: asyncio.AbstractEventLoop, rests: Rests) -> None:
        streams = [Stream(ended) for _ in range(2 * AT_ONCE + 1)]
        now, clock = loop.time(), loop.time
        loop.time = lambda: now  # type: ignore[method-assign]
        for stream in streams:
            rests.begin(stream, 0.05)
        loop.time = clock  # type: ignore[method-assign]
        assert len(rests._due) == 1
        while not ended:
            await asyncio.sleep(0)
        assert len(ended) == AT_ONCE
        while len(ended) < len(streams):
            await asyncio.sleep(0)
        assert ended == streams
        assert not rests._due

    on_a_loop(run)


def test_a_stream_that_fails_is_closed_and_the_others_are_read(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ended: list[Stream] = []

    async def run(loop: asyncio.AbstractEventLoop, rests: Rests) -> None:
        bad, good = Stream(ended, fails=True), Stream(ended)
        rests.begin(bad, 0.002)
        rests.begin(good, 0.002)
        while good not in ended:
            await asyncio.sleep(0)
        assert (bad.closed, good.closed) == (True, False)

    on_a_loop(run)
    assert "is closed" in caplog.text
