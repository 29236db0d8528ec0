"""A pause while data is flowing, and none otherwise."""

from __future__ import annotations

import asyncio
import socket

import pytest

from pipeline.support.selector import (
    LARGE,
    LARGE_RESTED,
    LONGEST,
    PAUSE,
    SLICE,
    SMALL_PAUSE,
    SMALL_READS,
    CoalescingLoop,
    CoalescingSelector,
    Pause,
    SharedPause,
    selector_of,
)
from pipeline.support.small_reads import BURST, LONGEST_OWED, LONGEST_REST


class Clock:
    """Stands still until it is set; in place of the module `time`."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.pauses: list[float] = []
        """For how many seconds it was asked to sleep."""

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("pipeline.support.selector.time", clock)
    return clock


def test_a_read_alone_is_followed_by_no_pause_and_one_soon_after_it_by_one(clock: Clock) -> None:
    with CoalescingSelector() as selector:
        selector.read(LARGE)
        selector.select(0)
        assert clock.pauses == []
        selector.read(LARGE)
        selector.select(0)
        assert clock.pauses == [PAUSE]
        selector.select(0)
        assert clock.pauses == [PAUSE]


def test_reads_after_a_rest_are_followed_by_no_pause(clock: Clock) -> None:
    with CoalescingSelector() as selector:
        for _ in range(3):
            selector.read(100, rested=True)
        selector.select(0)
        assert clock.pauses == []


def test_where_reads_are_small_it_pauses_longer_since_no_socket_is_full_so_soon(
    clock: Clock,
) -> None:
    with CoalescingSelector() as selector:
        for _ in range(2):
            selector.read(LARGE - 1)
        selector.select(0)
        assert clock.pauses == [SMALL_PAUSE]


def test_few_small_reads_cost_no_rest_and_large_ones_never_do(clock: Clock) -> None:
    with CoalescingSelector() as selector:
        assert {selector.read(100) for _ in range(BURST)} == {0.0}
        assert {selector.read(LARGE) for _ in range(1000)} == {0.0}


def test_what_has_piled_up_during_a_rest_is_not_taken_for_a_stream_that_is_filled_quickly(
    clock: Clock,
) -> None:
    with CoalescingSelector() as selector:
        for _ in range(2 * BURST):
            selector.read(100)
        assert selector.read(LARGE, rested=True) > 0
        assert selector.read(LARGE_RESTED, rested=True) == 0.0


@pytest.mark.parametrize(
    ("streams", "least", "most"), [(10, 0.018, 0.022), (100, 0.18, 0.22), (500, 0.2, 0.25)]
)
def test_the_more_streams_there_are_the_less_often_each_of_them_is_read(
    clock: Clock, streams: int, least: float, most: float
) -> None:
    with CoalescingSelector() as selector:
        due = [clock.now] * streams  # each is read as soon as it may be: it always has a line
        rests = []
        for _ in range(20 * streams):
            stream = due.index(min(due))
            clock.now = max(clock.now, due[stream])
            rests.append(selector.read(200))
            due[stream] = clock.now + max(rests[-1], 0.0001)
        assert least <= sum(rests[-streams:]) / streams <= most


def test_more_streams_than_can_rest_so_long_owe_no_more_than_the_longest_rest(clock: Clock) -> None:
    with CoalescingSelector() as selector:
        for _ in range(10_000):
            rest = selector.read(100)
            clock.now += 0.000_1
        assert rest == pytest.approx(LONGEST_REST)
        clock.now += LONGEST_OWED + (BURST + 1) / SMALL_READS
        assert {selector.read(100) for _ in range(BURST)} == {0.0}


def test_a_stream_that_has_much_after_each_rest_rests_twice_as_long_at_most(clock: Clock) -> None:
    with CoalescingSelector() as selector:
        for _ in range(10_000):
            selector.read(LARGE, rested=True)
        assert selector.read(LARGE, rested=True) == pytest.approx(LONGEST_OWED)
        assert selector.read(LARGE - 1, rested=True) == pytest.approx(LONGEST_REST)


def test_after_some_silence_nothing_is_owed(clock: Clock) -> None:
    with CoalescingSelector() as selector:
        for _ in range(2 * BURST):
            rest = selector.read(100)
        assert rest > 0
        clock.now += 3 * rest
        assert selector.read(100) == 0.0


def test_the_loop_offers_its_selector_and_other_loops_offer_none() -> None:
    async def flowing() -> bool:
        selector = selector_of(asyncio.get_running_loop())
        return selector is not None

    with asyncio.Runner(loop_factory=CoalescingLoop) as runner:
        assert runner.run(flowing())
    with asyncio.Runner() as runner:
        assert not runner.run(flowing())


@pytest.fixture(autouse=True)
def no_blocking_calls() -> None:
    """The pause blocks the loop on purpose."""


def test_small_writes_made_during_a_pause_arrive_in_one_read() -> None:
    async def read() -> list[int]:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        selector = selector_of(loop)
        assert selector is not None
        for _ in range(10):
            theirs.send(b"x" * 100)
        selector.read(LARGE)
        selector.read(LARGE)
        sizes = [len(await loop.sock_recv(ours, 1 << 16))]
        ours.close()
        theirs.close()
        return sizes

    with asyncio.Runner(loop_factory=CoalescingLoop) as runner:
        assert runner.run(read()) == [1000]


class Stream:
    """Has something to read so many times."""

    def __init__(self, times: int) -> None:
        self.left = times
        self.ended = False

    def more(self) -> bool:
        self.left -= 1
        return self.left > 0

    def end(self) -> None:
        self.ended = True


def test_what_flows_fast_is_read_several_times_before_the_loop_turns(clock: Clock) -> None:
    with CoalescingSelector() as selector:
        short, long = Stream(1), Stream(3)
        selector.flows += [short, long]
        assert selector.select() == []
        assert clock.pauses == [PAUSE] * 3
        assert (short.left, long.left) == (0, 0)
        assert not (short.ended or long.ended)
        assert not selector.flows


def test_what_flows_for_ever_does_not_keep_the_loop_from_turning(clock: Clock) -> None:
    with CoalescingSelector() as selector:
        endless = Stream(1_000_000)
        selector.flows.append(endless)
        selector.select(0)
        assert endless.ended
        assert LONGEST <= sum(clock.pauses) <= LONGEST + 2 * PAUSE
        assert 1_000_000 - endless.left == len(clock.pauses)


async def longest_turn(pauses: list[Pause], clock: Clock) -> tuple[float, list[int]]:
    """Seconds by the clock between two turns of the loop, when all have begun, while eight work
    side by side, a third of a slice at a time; and how much each has done."""
    done = [0] * len(pauses)
    turns = [0.0]

    async def work(number: int) -> None:
        while sum(done) < 400:
            clock.now += SLICE / 3
            done[number] += 1
            await pauses[number]()

    async def look() -> None:
        before = clock.now
        while sum(done) < 400:
            await asyncio.sleep(0)
            if sum(done) > 20:
                turns.append(clock.now - before)
            before = clock.now

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(look())
        for number in range(len(pauses)):
            tasks.create_task(work(number))
    return max(turns), done


@pytest.mark.fault(134)
async def test_those_that_share_a_pause_use_no_more_of_a_turn_than_one_would(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock()
    monkeypatch.setattr(asyncio.get_running_loop(), "time", clock.monotonic)
    alone, _ = await longest_turn([Pause()], clock)
    side_by_side, _ = await longest_turn([Pause() for _ in range(8)], clock)
    shared, done = await longest_turn([SharedPause()] * 8, clock)
    assert alone < 2 * SLICE
    assert side_by_side > 5 * SLICE
    assert shared < 2 * SLICE
    assert min(done) > 40
