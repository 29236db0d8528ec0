"""How much fits, who waits, and what is given up."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from pipeline.accounting.envelope import Envelope
from pipeline.buffer import MemoryBuffer
from pipeline.model.batch import (
    BYTES_OF_A_NESTED,
    BYTES_OF_AN_UNUSUAL,
    ENTRY_OVERHEAD,
    LARGEST_PAYLOAD,
)
from pipeline.model.component import BufferConfig, Size
from pipeline.testing.builders import batch, container

ONE = Envelope(batch("x" * 1000))
SIZE = ONE.size


class Made:
    """A buffer with room for `room` batches, and what it gave up."""

    def __init__(self, room: float, policy: str = "block") -> None:
        self.dropped: list[tuple[Envelope, str]] = []
        self.buffer = MemoryBuffer(
            BufferConfig(memory=Size(SIZE * room), when_full=policy),  # type: ignore[arg-type]
            lambda dropped, why: self.dropped.append((dropped, why)),
        )


def sealed(*lines: str, start: int = 0) -> Envelope:
    return Envelope(batch(*lines, start=start))


def envelopes(count: int) -> list[Envelope]:
    return [sealed("x" * 1000, start=number) for number in range(count)]


async def take_all(buffer: MemoryBuffer) -> list[Envelope]:
    return await buffer.take(1 << 30, 1 << 30, 0)


async def test_exactly_as_many_fit_as_the_limit_says_and_not_one_more() -> None:
    made = Made(3)
    assert [made.buffer.offer(one) for one in envelopes(4)] == [True, True, True, False]
    assert made.buffer.bytes == 3 * SIZE
    assert made.buffer.entries == 3


async def test_what_was_taken_counts_until_it_is_released() -> None:
    made = Made(2)
    first, second, third = envelopes(3)
    assert made.buffer.offer(first)
    assert made.buffer.offer(second)
    await take_all(made.buffer)
    assert not made.buffer.offer(third)
    made.buffer.release(first)
    assert made.buffer.offer(third)


async def test_no_more_is_taken_at_once_than_sinks_may_write_of_it() -> None:
    made = Made(10_000)
    of = container(labels={"a": "x" * 4000})
    for _ in range(5):
        assert made.buffer.offer(Envelope(batch(*[b""] * 1500, of=of)))
    made.buffer.close()
    took = [[len(one) for one in await made.buffer.take(1 << 20, 10_000, 0)] for _ in range(5)]
    assert took == [[1500]] * 5
    assert 1500 * of.facts_size < LARGEST_PAYLOAD < 2 * 1500 * (of.facts_size + ENTRY_OVERHEAD)


async def test_those_who_wait_are_let_in_first_come_first_served() -> None:
    made = Made(1)
    first, second, third = envelopes(3)
    made.buffer.offer(first)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(made.buffer.put(second))
        await asyncio.sleep(0)
        tasks.create_task(made.buffer.put(third))
        await asyncio.sleep(0)
        seen = []
        for _ in range(3):
            for taken in await made.buffer.take(1 << 30, 1 << 30, 0):
                seen.append(taken)
                made.buffer.release(taken)
            await asyncio.sleep(0)
    assert seen == [first, second, third]


async def test_an_offer_does_not_overtake_those_who_wait() -> None:
    made = Made(2)
    first, second = envelopes(2)
    made.buffer.offer(first)
    big = sealed("x" * 2500)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(made.buffer.put(big))
        await asyncio.sleep(0)
        assert not made.buffer.offer(second)
        (taken,) = await made.buffer.take(1 << 30, 1 << 30, 0)
        made.buffer.release(taken)


async def test_a_large_batch_is_not_overtaken_by_smaller_ones_that_would_fit() -> None:
    made = Made(2)
    for one in envelopes(2):
        made.buffer.offer(one)
    big, small = sealed("x" * 1500), sealed("small")
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(made.buffer.put(big))
        await asyncio.sleep(0)
        tasks.create_task(made.buffer.put(small))
        await asyncio.sleep(0)
        taken = []
        for _ in range(4):
            (one,) = await made.buffer.take(1, 1, 0)
            taken.append(one)
            made.buffer.release(one)
            await asyncio.sleep(0)
    assert taken[2:] == [big, small]


async def test_an_offer_does_not_take_the_room_that_was_freed_for_who_waits() -> None:
    made = Made(1)
    first, second, third = envelopes(3)
    made.buffer.offer(first)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(made.buffer.put(second))
        await asyncio.sleep(0)
        (taken,) = await made.buffer.take(1, 1, 0)
        made.buffer.release(taken)
        assert not made.buffer.offer(third)
    assert await take_all(made.buffer) == [second]


async def test_what_waits_for_room_is_counted_apart_until_it_is_inside() -> None:
    made = Made(1)
    first, second = sealed("x" * 1000), sealed("y" * 500, "z" * 500)
    made.buffer.offer(first)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(made.buffer.put(second))
        await asyncio.sleep(0)
        assert (made.buffer.entries, made.buffer.blocked_entries) == (1, 2)
        assert (made.buffer.bytes, made.buffer.blocked_bytes) == (first.size, second.size)
        (taken,) = await made.buffer.take(1, 1, 0)
        made.buffer.release(taken)
    assert (made.buffer.entries, made.buffer.blocked_entries) == (2, 0)
    assert (made.buffer.bytes, made.buffer.blocked_bytes) == (second.size, 0)


async def test_one_who_stops_waiting_is_counted_no_more() -> None:
    made = Made(1)
    first, second = envelopes(2)
    made.buffer.offer(first)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await made.buffer.put(second)
    assert (made.buffer.blocked_bytes, made.buffer.blocked_entries) == (0, 0)


async def test_one_who_stops_waiting_leaves_the_turn_to_the_next() -> None:
    made = Made(1)
    first, second, third = envelopes(3)
    made.buffer.offer(first)
    waiting = asyncio.ensure_future(made.buffer.put(second))  # noqa: TID251
    await asyncio.sleep(0)
    after = asyncio.ensure_future(made.buffer.put(third))  # noqa: TID251
    await asyncio.sleep(0)
    (taken,) = await made.buffer.take(1 << 30, 1 << 30, 0)
    made.buffer.release(taken)
    waiting.cancel()
    await asyncio.wait_for(after, 60)
    assert await take_all(made.buffer) == [third]


async def test_drop_newest_gives_up_what_comes() -> None:
    made = Made(2, "drop_newest")
    first, second, third = envelopes(3)
    assert all(made.buffer.offer(one) for one in (first, second, third))
    assert made.dropped == [(third, "drop_newest")]
    assert await take_all(made.buffer) == [first, second]


async def test_drop_oldest_gives_up_what_waited_longest_but_not_what_is_being_sent() -> None:
    made = Made(2, "drop_oldest")
    first, second, third, fourth = envelopes(4)
    made.buffer.offer(first)
    assert await take_all(made.buffer) == [first]
    made.buffer.offer(second)
    made.buffer.offer(third)
    assert made.dropped == [(second, "drop_oldest")]
    assert await take_all(made.buffer) == [third]
    assert made.buffer.offer(fourth)
    assert made.dropped[1:] == [(fourth, "drop_oldest")]


async def test_drop_oldest_gives_up_nothing_for_a_batch_that_would_not_fit_all_the_same() -> None:
    made = Made(2, "drop_oldest")
    first, second = envelopes(2)
    made.buffer.offer(first)
    assert await take_all(made.buffer) == [first]
    made.buffer.offer(second)
    too_big = sealed("x" * 1500)
    made.buffer.offer(too_big)
    assert made.dropped == [(too_big, "drop_oldest")]
    assert await take_all(made.buffer) == [second]


@pytest.mark.parametrize("policy", ["block", "drop_newest", "drop_oldest"])
async def test_a_batch_larger_than_the_buffer_is_let_into_an_empty_one(policy: str) -> None:
    made = Made(0.5, policy)
    assert made.buffer.offer(ONE)
    assert await take_all(made.buffer) == [ONE]
    assert made.dropped == []


async def test_a_batch_is_taken_up_to_the_limits_and_at_least_one() -> None:
    made = Made(10)
    for one in envelopes(5):
        made.buffer.offer(one)
    assert len(await made.buffer.take(2 * SIZE, 100, 0)) == 2
    assert len(await made.buffer.take(1, 100, 0)) == 1
    assert len(await made.buffer.take(1 << 30, 1, 0)) == 1


async def test_linger_gathers_what_comes_meanwhile() -> None:
    made = Made(10)
    first, second = envelopes(2)
    made.buffer.offer(first)
    asyncio.get_running_loop().call_later(0.01, made.buffer.offer, second)
    assert len(await made.buffer.take(1 << 30, 1 << 30, 0.2)) == 2


async def test_linger_ends_when_enough_has_come_or_somebody_waits_for_room() -> None:
    made = Made(2)
    first, second, third = envelopes(3)
    made.buffer.offer(first)
    made.buffer.offer(second)
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        tasks.create_task(made.buffer.put(third))
        taken = await made.buffer.take(1 << 30, 1 << 30, 3600)
        assert taken == [first, second]
        for one in taken:
            made.buffer.release(one)


async def test_a_closed_buffer_gives_what_is_left_and_then_ends() -> None:
    made = Made(2)
    made.buffer.offer(ONE)
    made.buffer.close()
    assert await take_all(made.buffer) == [ONE]
    assert await take_all(made.buffer) == []


async def test_closing_wakes_the_delivery_that_waits() -> None:
    made = Made(2)
    asyncio.get_running_loop().call_soon(made.buffer.close)
    assert await asyncio.wait_for(take_all(made.buffer), 60) == []


async def test_the_oldest_entry_is_the_one_being_sent() -> None:
    made = Made(4)
    first, second = sealed("a", start=1), sealed("b", "c", start=2)
    assert made.buffer.oldest() is None
    made.buffer.offer(first)
    await take_all(made.buffer)
    made.buffer.offer(second)
    assert made.buffer.oldest() == first.batch.times[0]
    made.buffer.release(first)
    assert made.buffer.oldest() == second.batch.times[0]


# ------------------------------------------------------------- when the sink is another one


async def test_what_was_taken_is_given_again_in_its_place_when_another_sink_takes_over() -> None:
    made = Made(4)
    first, second, third = envelopes(3)
    for one in (first, second, third):
        made.buffer.offer(one)
    assert await made.buffer.take(2 * SIZE, 10, 0) == [first, second]
    made.buffer.suspend()
    assert await take_all(made.buffer) == []
    made.buffer.resume()
    assert await take_all(made.buffer) == [first, second, third]
    for one in (first, second, third):
        made.buffer.release(one)
    assert (made.buffer.bytes, made.buffer.entries) == (0, 0)


async def test_suspending_wakes_who_waits_for_a_batch_and_lets_others_go_on_putting() -> None:
    made = Made(2)
    async with asyncio.TaskGroup() as tasks:
        taking = tasks.create_task(take_all(made.buffer))
        await asyncio.sleep(0)
        made.buffer.suspend()
    assert taking.result() == []
    assert made.buffer.offer(envelopes(1)[0])


async def test_a_buffer_that_is_given_up_drops_what_is_inside_and_whatever_is_still_put() -> None:
    made = Made(1)
    first, second, third = envelopes(3)
    made.buffer.offer(first)
    await take_all(made.buffer)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(made.buffer.put(second))
        await asyncio.sleep(0)
        assert not made.buffer.discard("gone")
    assert made.buffer.offer(third)
    assert made.dropped == [(first, "gone"), (second, "gone"), (third, "gone")]
    assert (made.buffer.bytes, made.buffer.entries) == (0, 0)


async def test_more_memory_lets_in_who_waits() -> None:
    made = Made(1)
    first, second = envelopes(2)
    made.buffer.offer(first)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(made.buffer.put(second))
        await asyncio.sleep(0)
        made.buffer.configure(BufferConfig(memory=Size(2 * SIZE)))
    assert made.buffer.entries == 2


@pytest.mark.parametrize("policy", ["drop_newest", "drop_oldest"])
async def test_whoever_waits_for_room_waits_no_more_once_the_policy_is_another(
    policy: Any,
) -> None:
    made = Made(1)
    first, second, third = envelopes(3)
    made.buffer.offer(first)
    async with asyncio.TaskGroup() as tasks:
        for one in (second, third):
            tasks.create_task(made.buffer.put(one), name="put")
        await asyncio.sleep(0)
        made.buffer.configure(BufferConfig(memory=Size(SIZE), when_full=policy))
        async with asyncio.timeout(60):
            while made.buffer.blocked_entries:
                await asyncio.sleep(0)
    gone = {"drop_newest": [second, third], "drop_oldest": [first, second]}[policy]
    assert made.dropped == [(one, policy) for one in gone]
    assert made.buffer.entries == 1


def test_lists_and_objects_in_fields_count_with_what_they_take() -> None:
    """A line of 27 KB with nine thousand objects takes 680 KB, and counts for more: the garbage
    collector has to look at all of them in one turn of the loop."""
    line = b'{"records":[' + b"{}," * 9000 + b"{}]}"
    fields = [json.loads(line)]
    assert batch(line, fields=fields).size > BYTES_OF_AN_UNUSUAL * 8900 > 680_000
    text = b"[" * 9000
    assert batch(text, fields=[{}]).size == batch(b"x" * 9000, fields=[{}]).size, "it is no JSON"
    usual = b'{"request":{"headers":{"accept":["a","b"]},"peer":{"ip":"1.2.3.4"}}}'
    several = batch(usual, usual, fields=[json.loads(usual)] * 2).size
    flat = usual.replace(b"{", b"(").replace(b"[", b"(")
    alike = batch(flat, flat, fields=[json.loads(usual)] * 2).size
    assert several == alike + 2 * 4 * BYTES_OF_A_NESTED
    flat = batch(b'{"a":1}', fields=[{"a": 1}])
    assert flat.size == batch(b'("a":1)', fields=[{"a": 1}]).size
