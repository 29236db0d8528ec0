"""Who waits, and who comes next."""

from __future__ import annotations

import asyncio

import pytest

from pipeline.buffer.turnstile import Bell, Turnstile


async def test_a_bell_wakes_who_waits() -> None:
    bell = Bell()
    asyncio.get_running_loop().call_soon(bell.ring)
    async with asyncio.timeout(60):
        await bell.wait()


async def test_a_ring_that_nobody_waits_for_is_forgotten() -> None:
    bell = Bell()
    bell.ring()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await bell.wait()
    bell.ring()


async def test_waiting_for_a_bell_ends_in_time() -> None:
    async with asyncio.timeout(60):
        await Bell().wait(0.01)


async def test_a_bell_may_ring_twice() -> None:
    bell = Bell()
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        tasks.create_task(bell.wait(60), name="waits")
        await asyncio.sleep(0)
        bell.ring()
        bell.ring()


class Room:
    """So many places, and who got one."""

    def __init__(self, places: int = 0) -> None:
        self.places = places
        self.inside: list[str] = []
        self.turns = Turnstile()

    async def enter(self, name: str, places: int = 1) -> None:
        await self.turns.wait(places, 10 * places, lambda: self.attempt(name, places))

    def attempt(self, name: str, places: int) -> bool:
        if places > self.places:
            return False
        self.places -= places
        self.inside.append(name)
        return True


async def test_where_there_is_room_nobody_waits() -> None:
    room = Room(1)
    await room.enter("a")
    assert room.inside == ["a"]
    assert not room.turns


async def test_those_who_wait_are_let_in_in_their_order() -> None:
    room = Room()
    async with asyncio.TaskGroup() as tasks:
        for name in "abc":
            tasks.create_task(room.enter(name))
        await asyncio.sleep(0)
        assert (room.turns.entries, room.turns.bytes) == (3, 30)
        room.places = 3
        room.turns.next()
    assert room.inside == ["a", "b", "c"]
    assert (room.turns.entries, room.turns.bytes) == (0, 0)


async def test_who_finds_no_room_keeps_its_place() -> None:
    room = Room()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(room.enter("large", 2))
        tasks.create_task(room.enter("small"))
        await asyncio.sleep(0)
        room.places = 1
        room.turns.next()
        await asyncio.sleep(0.01)
        assert room.inside == []
        room.places = 3
        room.turns.next()
    assert room.inside == ["large", "small"]


async def test_who_stops_waiting_leaves_the_turn_to_the_next() -> None:
    room = Room()
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(room.enter("first", 2))
        tasks.create_task(room.enter("second"))
        await asyncio.sleep(0)
        room.places = 1
        first.cancel()
    assert room.inside == ["second"]
    assert room.turns.entries == 0
