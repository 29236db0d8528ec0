"""How far apart requests begin."""

from __future__ import annotations

import asyncio

from pipeline.transport.pace import Pace
from tests.suite import virtual_time


def begun(every: float, *pauses: float) -> list[float]:
    """When requests begin, each of which takes as long as its pause."""

    async def run() -> list[float]:
        pace, found = Pace(every), []
        for pause in pauses:
            await pace.turn()
            found.append(asyncio.get_running_loop().time())
            await asyncio.sleep(pause)
        return found

    return virtual_time.run(run())


def test_requests_begin_so_far_apart_however_long_they_take() -> None:
    assert begun(1.0, 0.25, 0.25, 0.25, 0.25) == [0, 1, 2, 3]
    assert begun(1.0, 5, 5, 5) == [0, 5, 10]


def test_a_pause_is_not_made_up_for_by_a_burst() -> None:
    assert begun(1.0, 10, 0, 0, 0) == [0, 10, 11, 12]


def test_without_a_limit_nothing_waits() -> None:
    assert begun(0.0, 0, 0, 0) == [0, 0, 0]


def test_a_turn_that_is_cancelled_is_not_taken() -> None:
    async def run() -> float:
        pace = Pace(10.0)
        await pace.turn()
        try:
            async with asyncio.timeout(1):
                await pace.turn()
        except TimeoutError:
            await pace.turn()
        return asyncio.get_running_loop().time()

    assert virtual_time.run(run()) == 10
