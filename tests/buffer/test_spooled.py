"""Memory first, then the disk, then the policy; in order, and nothing unaccounted for."""

from __future__ import annotations

import asyncio
import errno
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.accounting.envelope import Envelope
from pipeline.buffer import spooled
from pipeline.buffer.segment import Segment
from pipeline.buffer.spool import Spool
from pipeline.model.batch import Batch
from pipeline.model.component import BufferConfig, Size
from pipeline.model.errors import DocklineError
from tests.buffer.spooled import ALL, Made, Policy, running, until
from tests.buffer.spools import numbered, numbers, segments, used
from tests.suite import virtual_time
from tests.suite.examples import examples

ONE = numbered(0, size=1000).size


# ----------------------------------------------------------------------------------- memory


async def test_as_long_as_the_memory_suffices_the_disk_is_not_touched(tmp_path: Path) -> None:
    async with running(tmp_path, memory=10 * ONE) as made:
        for _ in range(50):
            await made.fill(10)
            assert await made.drain() == list(range(made.put - 10, made.put))
        assert made.settled == list(range(500))
    assert used(tmp_path) == 512
    assert segments(tmp_path) == []


async def test_in_memory_what_was_taken_is_settled_when_it_is_delivered(tmp_path: Path) -> None:
    async with running(tmp_path, memory=10 * ONE) as made:
        await made.fill(5)
        taken = await made.take(2 * ONE)
        assert len(taken) == 2
        assert made.settled == []
        made.deliver(taken)
        assert made.settled == [0, 1]
        await made.drain()


@pytest.mark.parametrize("total", [5, 60])
async def test_what_is_released_before_an_older_one_does_not_come_again(
    tmp_path: Path, total: int
) -> None:
    async with running(tmp_path, memory=10 * ONE) as made:
        await made.fill(total)
        await made.take(1)
        later = await made.take(2 * ONE)
        made.deliver(later)
        assert made.buffer.entries == total - len(later)
        made.buffer.suspend()
        made.buffer.resume()
        first = await made.take(1)
        assert numbers([one.batch for one in first]) == [0]
        made.deliver(first)
        await made.drain()
        assert sorted(made.released) == list(range(total))
        assert made.settled == list(range(total))
        assert made.balances()


async def test_what_is_taken_is_up_to_the_limits_but_at_least_one_batch(tmp_path: Path) -> None:
    async with running(tmp_path, memory=20 * ONE) as made:
        await made.fill(6)
        assert len(await made.take(2 * ONE)) == 2
        assert len(await made.take(1)) == 1
        assert len(await made.take(ALL, 1)) == 1
        assert len(await made.take(ALL, 0)) == 1
        assert len(await made.take()) == 1


async def test_an_entry_that_somebody_waits_for_goes_to_disk_when_nothing_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spooled, "STANDSTILL", 0.1)
    async with running(tmp_path) as made:
        await made.fill(1)
        taken = await made.take()
        await until(lambda: made.settled == [0])
        for _ in range(4):
            await made.fill(1)
            await until(lambda: made.settled == list(range(made.put)))
        assert made.buffer.disk.entries == 4, "and the one that is being sent"
        made.deliver(taken)
        assert await made.drain() == [1, 2, 3, 4]
        await until(lambda: not made.buffer._stuck and not segments(tmp_path))
        await made.fill(5)
        assert await made.drain() == [5, 6, 7, 8, 9]
        assert made.buffer.disk.entries == 0


async def test_what_waits_for_more_does_not_go_to_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spooled, "STANDSTILL", 0.05)
    async with running(tmp_path) as made:
        await made.fill(5)
        await asyncio.sleep(0.3)
        assert made.buffer.disk.entries == 0
        await made.drain()


def test_a_destination_is_stuck_when_nothing_is_released_for_the_whole_of_that_time(
    tmp_path: Path,
) -> None:
    async def looking() -> None:
        made = Made(tmp_path, memory=10 * ONE)
        stuck = []
        assert made.offer() and made.offer()
        first, _ = await made.take(1), await made.take(1)
        for seconds in (0.0, spooled.STANDSTILL - 1):
            await asyncio.sleep(seconds)
            made.buffer._look()
        made.deliver(first)
        for seconds in (0.0, spooled.STANDSTILL - 1, 1.0):
            await asyncio.sleep(seconds)
            made.buffer._look()
            stuck.append(made.buffer._stuck)
        assert stuck == [False, False, True]

    virtual_time.run(looking())


# --------------------------------------------------------------------------------- overflow


async def test_what_the_memory_cannot_hold_goes_to_disk_and_comes_back_in_order(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as made:
        await made.fill(500)
        assert made.buffer.bytes <= made.buffer.limit
        assert made.buffer.disk.entries > 400
        assert await made.drain() == list(range(500))
        assert made.settled == list(range(500))
        await until(lambda: not segments(tmp_path))


async def test_what_is_safe_is_settled_even_where_the_oldest_is_still_being_sent(
    tmp_path: Path,
) -> None:
    """Otherwise a crash would repeat all that is on disk."""
    async with running(tmp_path) as made:
        await made.fill(10)
        sending = await made.take(3 * ONE)
        await made.fill(200)
        await until(lambda: made.settled[:10] == list(range(10)))
        assert made.buffer.disk.entries > 100
        made.deliver(sending)
        assert await made.drain() == list(range(3, 210))


async def test_what_comes_is_written_behind_what_is_on_disk(tmp_path: Path) -> None:
    async with running(tmp_path) as made:
        await made.fill(200)
        seen = []
        for _ in range(300):
            taken = await made.take(4 * ONE)
            seen += [n for one in taken for n in numbers([one.batch])]
            made.deliver(taken)
            await made.fill(3)
        seen += await made.drain()
        assert seen == list(range(1100))


async def test_once_the_disk_is_read_to_its_end_the_memory_suffices_again(tmp_path: Path) -> None:
    async with running(tmp_path) as made:
        await made.fill(200)
        await made.drain()
        await until(lambda: not segments(tmp_path))
        for _ in range(3):
            await made.fill(10)
            await asyncio.sleep(2 * spooled.COMMIT_EVERY)
            assert made.settled[-1] == made.put - 11
            await made.drain()
        assert segments(tmp_path) == []


async def test_many_batches_share_an_fsync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    syncs = []
    sync = Segment.sync
    monkeypatch.setattr(Segment, "sync", lambda it, end: (syncs.append(end), sync(it, end)))
    async with running(tmp_path, memory=2**20, disk=2**24) as made:
        await made.fill(5000)
        assert len(syncs) < 100
        await made.drain()


async def test_the_memory_is_bounded_whatever_the_disk_holds(tmp_path: Path) -> None:
    async with running(tmp_path, memory=20 * ONE, disk=2**22) as made:
        most = 0
        for _ in range(1500):
            await made.fill(1)
            most = max(most, made.buffer.bytes)
        taken = await made.take()
        while made.buffer.entries:
            most = max(most, made.buffer.bytes)
            made.deliver(taken)
            taken = await made.take() if made.buffer.entries else []
        assert made.released == list(range(1500))
    assert most <= 20 * ONE


async def test_a_batch_larger_than_all_the_memory_passes(tmp_path: Path) -> None:
    async with running(tmp_path) as made:
        await made.fill(100)
        await made.fill(3, size=100_000)
        await made.fill(100)
        assert await made.drain() == list(range(203))


async def test_a_batch_larger_than_all_the_disk_passes_through_the_memory(tmp_path: Path) -> None:
    async with running(tmp_path, disk=40_000) as made:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(made.fill(3, size=100_000))
            await until(lambda: made.buffer.full)
            assert segments(tmp_path) == []
            while len(made.released) < 3:
                made.deliver(await made.take())
        await made.fill(45)  # the disk is used for what fits, as before
        assert segments(tmp_path)
        assert await made.drain() == list(range(3, 48))


async def test_what_did_not_fit_and_is_gone_meanwhile_does_not_make_the_disk_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused, released = threading.Event(), threading.Event()
    append = Spool.append

    def slow(spool: Spool, given: Iterable[Batch], handed_out: int) -> None:
        append(spool, given, handed_out)
        if spool.full:
            refused.set()
            released.wait()

    async with running(tmp_path, disk=40_000) as made:
        await made.fill(1, size=100_000)
        taken = await made.take()
        monkeypatch.setattr(Spool, "append", slow)
        made.offer()
        await until(refused.is_set)
        made.deliver(taken)
        released.set()
        await made.fill(45)
        assert segments(tmp_path)
        await made.drain()


async def test_what_did_not_fit_and_is_gone_does_not_make_the_disk_full_when_others_are_settled(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, disk=2**17, policy="drop_newest") as made:
        await made.fill(70)
        await until(lambda: not made.buffer.unsaved)
        taken: list[Envelope] = []
        while made.waiting:
            taken += await made.take()
        letter = taken[1].ack
        letter.hold()  # so that no segment can be removed
        await made.fill(1, size=200_000)
        await until(lambda: made.buffer.disk.full)
        made.deliver(await made.take())
        made.deliver(taken)
        await until(lambda: not made.buffer.disk.has_moved)
        await made.fill(50)  # more than the memory holds
        assert made.dropped == []
        letter.settle()
        await made.drain()


# ----------------------------------------------------------------------------------- policies


async def test_when_the_disk_is_full_too_block_makes_wait_and_loses_nothing(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, disk=2**17) as made:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(made.fill(400))
            put = -1
            while not made.buffer.full or made.put != put:  # a write under way may yet make room
                put = made.put
                await asyncio.sleep(0.3)
            assert put < 400
            assert used(tmp_path) <= 2**17
            assert made.buffer.blocked_entries == 1
            assert not made.buffer.offer(Envelope(numbered(0)))
            while len(made.released) < 400:
                made.deliver(await made.take())
                assert used(tmp_path) <= 2**17
        assert made.released == list(range(400))
        assert made.dropped == []


async def test_drop_newest_gives_up_what_comes_when_both_are_full(tmp_path: Path) -> None:
    async with running(tmp_path, disk=2**17, policy="drop_newest") as made:
        await made.fill(400)
        assert used(tmp_path) <= 2**17
        kept = made.put - len(made.dropped)
        assert made.dropped == list(range(kept, 400))
        assert kept * 1000 > 2**17
        assert await made.drain() == list(range(kept))
        await made.fill(10)
        assert await made.drain() == list(range(400, 410))


async def test_drop_oldest_removes_the_oldest_that_nobody_is_sending(tmp_path: Path) -> None:
    async with running(tmp_path, disk=2**17, policy="drop_oldest") as made:
        await made.fill(5)
        sending = await made.take()
        await made.fill(600)
        await until(lambda: not made.buffer.unsaved)
        assert used(tmp_path) <= 2**17
        lost = sum(count for count, _ in made.lost)
        assert {why for _, why in made.lost} == {"drop_oldest"}
        (page,) = made.ledger
        assert page.name == "api-1"
        assert sum(account.dropped.get("drop_oldest", 0) for account in page.accounts) == lost
        made.deliver(sending)
        kept = await made.drain()
        beside = sum(n < 5 + lost for n in kept)  # in one segment with what is being sent
        assert kept == [*range(5, 5 + beside), *range(5 + beside + lost, 605)]


async def test_drop_oldest_with_a_disk_smaller_than_the_memory_gives_up_from_memory(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, memory=2**17, disk=600, policy="drop_oldest") as made:
        await made.fill(50)
        sending = await made.take(10 * ONE)
        await made.fill(500)
        assert used(tmp_path) <= 600
        assert made.dropped
        made.deliver(sending)
        kept = await made.drain()
        assert kept == sorted(kept)
        assert kept[-1] == 549


async def test_drop_oldest_gives_up_nothing_for_a_batch_that_would_not_fit_all_the_same(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, memory=20 * ONE, disk=600, policy="drop_oldest") as made:
        await made.fill(40)
        dropped = len(made.dropped)
        assert dropped
        await made.fill(1, size=45_000)
        assert made.dropped[dropped:] == [40]
        assert await made.drain() == list(range(dropped, 40))


async def test_drop_oldest_gives_up_all_in_memory_for_a_batch_that_just_fits_then(
    tmp_path: Path,
) -> None:
    all_of_it = numbered(3, size=45_000).size
    async with running(tmp_path, memory=all_of_it, disk=600, policy="drop_oldest") as made:
        await made.fill(3)
        await made.fill(1, size=45_000)
        assert made.dropped == [0, 1, 2]
        assert await made.drain() == [3]


async def test_a_buffer_whose_disk_takes_nothing_is_full_when_a_twentieth_of_the_memory_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Spool, "open", _fail)
    made = Made(tmp_path, memory=2**16)
    await made.buffer.open()
    while made.offer(size=10):
        assert made.buffer.full == (made.buffer.bytes > 0.95 * 2**16)
    assert made.buffer.full


async def test_a_buffer_whose_disk_takes_nothing_is_full_when_somebody_waits_for_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Spool, "open", _fail)
    made = Made(tmp_path, memory=10 * ONE)
    await made.buffer.open()
    assert made.offer()
    assert not made.buffer.full
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(made.fill(1, size=20_000))
        await until(lambda: made.buffer.blocked_entries)
        assert made.buffer.full
        made.deliver(await made.take())


# ---------------------------------------------------------------------------------- restarts


async def test_what_is_left_in_memory_at_the_end_is_there_after_the_next_start(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, memory=20 * ONE) as made:
        await made.fill(10)
        taken = await made.take(3 * ONE)
        made.deliver(taken[:1])
    assert made.settled == list(range(10))
    async with running(tmp_path) as made:
        assert made.buffer.entries == 9
        assert await _numbers(made) == list(range(1, 10))


async def test_what_is_left_on_disk_is_there_after_the_next_start_once_and_in_order(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as made:
        await made.fill(300)
        for _ in range(10):
            made.deliver(await made.take(5 * ONE))
        delivered = len(made.released)
    async with running(tmp_path) as made:
        made.put += made.buffer.entries
        assert await _numbers(made) == list(range(delivered, 300))
    async with running(tmp_path) as made:
        assert made.buffer.entries == 0


async def test_entries_of_the_last_run_come_before_those_of_this_one(tmp_path: Path) -> None:
    async with running(tmp_path) as made:
        await made.fill(30)
    async with running(tmp_path) as made:
        made.put = 30
        await made.fill(100)
        assert await made.drain() == list(range(130))


async def test_after_the_end_another_may_use_the_folder_at_once(tmp_path: Path) -> None:
    for _ in range(5):
        async with running(tmp_path) as made:
            with pytest.raises(DocklineError, match="in use by another dockline"):
                await type(made.buffer)(
                    BufferConfig(disk=Size(2**20)), tmp_path, made._drop, print, made._account_of
                ).open()


async def test_a_cancelled_run_lets_go_of_the_folder_and_settles_nothing_that_is_not_safe(
    tmp_path: Path,
) -> None:
    with pytest.RaisesGroup(RuntimeError):
        async with running(tmp_path) as made:
            await made.fill(200)
            raise RuntimeError
    settled = made.settled
    assert settled
    await until(lambda: not made.buffer.disk._spool.is_open)
    async with running(tmp_path) as made:
        found = await _numbers(made)
    assert found[: len(settled)] == settled
    assert found == sorted(set(found))


async def test_a_dead_letter_that_is_not_settled_is_repeated_after_the_next_start(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as made:
        await made.fill(200)
        await until(lambda: not made.buffer.unsaved)
        (first,) = await made.take(1, 1)
        first.ack.hold()
        made.deliver([first])
        await made.drain()
        await asyncio.sleep(0.1)
    async with running(tmp_path) as made:
        assert made.buffer.entries == 200
        made.put = 200
        await made.drain()


async def test_what_is_settled_while_the_last_is_written_is_stored_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the dead-letter sink saves what it holds at the same time."""
    async with running(tmp_path) as made:
        await made.fill(200)
        await until(lambda: not made.buffer.unsaved)
        taken: list[Envelope] = []
        while made.waiting:
            taken += await made.take()
        for letter in taken:
            letter.ack.hold()
        made.deliver(taken)
        await made.fill(5)
        loop, sync = asyncio.get_running_loop(), Segment.sync

        def settling(segment: Segment, end: int) -> None:
            for letter in taken:
                loop.call_soon_threadsafe(letter.ack.settle)
            sync(segment, end)

        monkeypatch.setattr(Segment, "sync", settling)
    async with running(tmp_path) as made:
        assert made.buffer.entries == 5
        assert await _numbers(made) == list(range(200, 205))


async def test_where_the_last_that_was_written_is_damaged_its_file_goes_all_the_same(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as made:
        await made.fill(200)
        await until(lambda: not made.buffer.unsaved)
        last = segments(tmp_path)[-1]
        raw = bytearray(last.read_bytes())
        raw[-1] ^= 1
        last.write_bytes(raw)
        made.buffer.close()
        await made.drain()
        ((lost, why),) = made.lost
        assert why == "spool_damaged"
        assert made.released == list(range(200 - lost))
        theirs, nobodys = made.ledger.accounts()  # known again once nothing else is on disk
        assert (theirs.dropped.get("spool_damaged", 0), theirs.open) == (lost, 0)
        assert (nobodys.carried, sum(nobodys.dropped.values())) == (0, 0)
        await until(lambda: not segments(tmp_path))


async def test_damage_is_nobodys_until_it_is_known_whose_it_was(tmp_path: Path) -> None:
    async with running(tmp_path) as made:
        await made.fill(400)
        await until(lambda: not made.buffer.unsaved)
        first = segments(tmp_path)[0]
        raw = bytearray(first.read_bytes())
        raw[-1] ^= 1
        first.write_bytes(raw)
        while not made.lost:
            made.deliver(await made.take())
        ((lost, _),) = made.lost
        theirs, nobodys = made.ledger.accounts()
        assert (nobodys.carried, nobodys.dropped.get("spool_damaged", 0)) == (lost, lost)
        assert theirs.open == made.buffer.entries + lost
        assert made.buffer.disk.accounts[theirs] == made.buffer.disk.entries + lost
        made.buffer.close()
        await made.drain()
        assert (theirs.dropped.get("spool_damaged", 0), theirs.open) == (lost, 0)
        assert (nobodys.carried, sum(nobodys.dropped.values())) == (0, 0)


async def test_writing_begins_before_the_memory_is_full_and_frees_it_piece_by_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pieces: list[int] = []
    append = Spool.append

    def noting(spool: Spool, batches: Sequence[Batch], handed_out: int) -> None:
        pieces.append(sum(one.size for one in batches))
        append(spool, batches, handed_out)

    monkeypatch.setattr(Spool, "append", noting)
    async with running(tmp_path, memory=2**20) as made:
        assert all(made.offer() for _ in range(400))
        assert made.buffer.bytes > 0.75 * 2**20
        await until(lambda: not made.buffer.unsaved)
        assert made.buffer.blocked_entries == 0
        assert len(pieces) >= 4
        assert max(pieces) <= 2**18 + ONE
        assert await made.drain() == list(range(400))


async def test_what_is_much_is_written_without_waiting_for_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spooled, "COMMIT_EVERY", 3600.0)
    async with running(tmp_path, memory=4 * spooled.COMMIT_BYTES, disk=2**24) as made:
        assert all(made.offer(size=spooled.COMMIT_BYTES // 4) for _ in range(9))
        await until(lambda: made.buffer.disk.entries)
        assert await made.drain() == list(range(9))


async def test_what_is_written_at_once_is_a_quarter_of_the_memory_and_no_batch_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pieces: list[list[int]] = []
    append = Spool.append

    def noting(spool: Spool, batches: Sequence[Batch], handed_out: int) -> None:
        pieces.append(numbers(batches))
        append(spool, batches, handed_out)

    monkeypatch.setattr(Spool, "append", noting)
    async with running(tmp_path, memory=16 * ONE) as made:
        assert all(made.offer() for _ in range(10))
        await until(lambda: not made.buffer.unsaved)
        assert pieces == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
        await made.drain()


async def test_a_disk_that_is_opened_late_keeps_what_an_earlier_run_has_left_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path, memory=10 * ONE) as before:
        await before.fill(40)
        await until(lambda: before.buffer.disk.entries > 20)
    with monkeypatch.context() as broken:
        broken.setattr(Spool, "open", _fail)
        made = Made(tmp_path, memory=10 * ONE)
        await made.buffer.open()
        for _ in range(4):
            assert made.offer()
        sending = await made.take(2 * ONE)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(made.buffer.run(), name="spool")
        await until(lambda: made.buffer.disk.opened)
        carried = made.buffer.disk.carried
        assert carried > 20
        await made.fill(10)  # more than the memory holds
        await until(lambda: made.buffer.disk.entries > carried)
        made.deliver(sending)
        await made.drain()
        made.buffer.finish()
    assert (len(made.released), made.lost) == (14 + carried, [])
    assert sum(account.open for account in made.ledger.accounts()) == 0


async def test_who_waits_for_room_behind_what_overtook_a_late_disk_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path, memory=10 * ONE) as before:
        await before.fill(40)
        await until(lambda: before.buffer.disk.entries > 20)
    with monkeypatch.context() as broken:
        broken.setattr(Spool, "open", _fail)
        made = Made(tmp_path, memory=10 * ONE)
        await made.buffer.open()
        assert made.offer()
        sending = await made.take(2 * ONE)
        assert made.offer(5)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(made.buffer.run(), name="spool")
        for _ in range(5):
            tasks.create_task(made.buffer.put(made.next(5)), name="put")
        await until(lambda: made.buffer.disk.opened)
        carried = made.buffer.disk.carried
        await asyncio.sleep(0.1)
        made.deliver(sending)
        await until(lambda: not made.buffer.blocked_entries)
        await made.drain()
        made.buffer.finish()
    assert len(made.released) == 31 + carried


def _fail(spool: Spool) -> None:
    raise OSError(errno.EIO, "Input/output error")


async def test_while_the_oldest_are_being_dropped_the_ledger_balances(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, under_way = threading.Event(), threading.Event()
    sync = Segment.sync

    def slow(segment: Segment, number: int) -> None:
        under_way.set()
        go_on.wait(10)
        sync(segment, number)

    async with running(tmp_path, memory=60 * ONE, disk=2**18, policy="drop_oldest") as made:
        monkeypatch.setattr(Segment, "sync", slow)
        while len(made.lost) < 3:
            made.offer()
            if under_way.is_set():
                open_ = sum(account.open for account in made.ledger.accounts())
                assert open_ == made.buffer.entries
                under_way.clear()
                go_on.set()
            await asyncio.sleep(0.001)
            go_on.clear()
        go_on.set()
        monkeypatch.undo()
        await made.drain()


async def _numbers(made: Any) -> list[int]:
    made.put = max(made.put, made.buffer.entries)
    found: list[int] = await made.drain()
    return found


# ------------------------------------------------------------------------------------ waiting


async def test_a_delivery_that_was_cancelled_while_it_read_has_lost_nothing(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, memory=2**16) as made:
        await made.fill(300)
        made.deliver(await made.take())
        for _ in range(20):
            reading = asyncio.ensure_future(made.take(3 * ONE))  # noqa: TID251
            await asyncio.sleep(0)
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
        await made.drain()
        assert made.released == list(range(300))


async def test_who_stops_waiting_for_room_has_put_nothing(tmp_path: Path) -> None:
    async with running(tmp_path, disk=2**16) as made:
        async with asyncio.TaskGroup() as tasks:
            filling = tasks.create_task(made.fill(400))
            await until(lambda: made.buffer.full)
            filling.cancel()
        made.take_back()
        assert made.buffer.blocked_entries == 0
        assert await made.drain() == list(range(made.put))


async def test_a_closed_buffer_gives_what_is_left_on_disk_too_and_then_ends(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as made:
        await made.fill(200)
        made.buffer.close()
        while taken := await made.take():
            made.deliver(taken)
        assert made.released == list(range(200))
        assert await made.take() == []


async def test_closing_wakes_the_delivery_that_waits(tmp_path: Path) -> None:
    async with running(tmp_path) as made:
        asyncio.get_running_loop().call_soon(made.buffer.close)
        assert await made.take() == []


async def test_a_disk_that_is_opened_late_wakes_the_delivery_that_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path) as before:
        await before.fill(3)
    made = Made(tmp_path, memory=2**16)
    with monkeypatch.context() as broken:
        broken.setattr(Spool, "open", _fail)
        await made.buffer.open()
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        taking = tasks.create_task(made.take())
        await until(lambda: made.buffer._arrived._waiter)
        tasks.create_task(made.buffer.run(), name="spool")
        assert numbers([one.batch for one in await taking]) == [0, 1, 2]
        made.buffer.finish()


async def test_linger_gathers_what_comes_meanwhile_and_ends_when_it_is_enough(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as made:
        await made.fill(1)
        asyncio.get_running_loop().call_later(0.01, made.offer)
        assert len(await made.buffer.take(ALL, ALL, 0.2)) == 2
        await made.fill(3)
        assert len(await made.buffer.take(ALL, 3, 3600)) == 3
        await made.fill(3)
        assert len(await made.buffer.take(3 * ONE, ALL, 3600)) == 3


async def test_what_is_left_on_disk_is_lingered_with_as_well_and_what_comes_goes_with_it(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as made:
        await made.fill(3)
    async with running(tmp_path) as made:
        made.put = 3  # in the life before
        asyncio.get_running_loop().call_later(0.01, made.offer)
        taken = await made.buffer.take(ALL, 4, 3600)
        assert numbers([one.batch for one in taken]) == [0, 1, 2, 3]
        made.deliver(taken)


async def test_while_there_is_more_on_disk_than_may_be_taken_nobody_lingers(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as made:
        await made.fill(200)
        await until(lambda: made.buffer.disk.entries > 100)
        while made.buffer.disk.entries > 20:
            made.deliver(await made.buffer.take(ALL, ALL, 3600))
        made.deliver(await made.buffer.take(ALL, ALL, 0.01))
        await made.drain()
        assert made.released == list(range(200))


async def test_a_delivery_that_lingers_while_the_memory_overflows_gets_entries_not_the_end(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as made, asyncio.TaskGroup() as tasks:
        lingering = tasks.create_task(made.buffer.take(ALL, ALL, 3600))
        await made.fill(200)
        taken = await lingering
        assert numbers([one.batch for one in taken])[0] == 0
        made.deliver(taken)
        await made.drain()
        assert made.released == list(range(200))


async def test_the_oldest_entry_is_the_one_being_sent_or_the_one_before_what_is_on_disk(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as made:
        assert made.buffer.oldest() is None
        await made.fill(1)
        time = made.buffer.oldest()
        assert time == numbered(0).times[0]
        taken = await made.take()
        assert made.buffer.oldest() == time
        await made.fill(200)
        made.deliver(taken)
        assert made.buffer.oldest() == time
        await made.drain()
        assert made.buffer.oldest() is None


# ----------------------------------------------------------------------------------- the sums

operations = st.lists(
    st.sampled_from(["offer", "offer", "put", "large", "take", "deliver", "deliver", "wait"]),
    max_size=120,
)


@given(operations, st.sampled_from(["block", "drop_newest", "drop_oldest"]), st.integers(1, 3))
@settings(max_examples=examples(60))
def test_every_entry_is_delivered_dropped_or_inside_at_all_times(
    tmp_path_factory: pytest.TempPathFactory, doing: list[str], policy: Policy, disks: int
) -> None:
    folder = tmp_path_factory.mktemp("spool")
    asyncio.run(_do(folder, doing, policy, disks * 20_000))


async def _do(folder: Path, doing: list[str], policy: Policy, disk: int) -> None:
    commit, spooled.COMMIT_EVERY = spooled.COMMIT_EVERY, 0.001
    try:
        async with running(folder, memory=10 * ONE, disk=disk, policy=policy) as made:
            sending: list[Envelope] = []
            for what in doing:
                if what == "offer":
                    made.offer()
                elif what == "large":
                    made.offer(2, 2000)
                elif what == "put":
                    try:
                        async with asyncio.timeout(0.005):
                            await made.fill(1)
                    except TimeoutError:
                        made.take_back()
                elif what == "wait":
                    await asyncio.sleep(0.002)
                elif what == "take" and made.waiting:
                    sending += await made.take(3 * ONE)
                elif what == "deliver" and sending:
                    made.deliver([sending.pop(0)])
                assert made.balances()
                assert used(folder) <= disk
            made.deliver(sending)
        left = made.buffer.entries
        unsaved = made.buffer.unsaved
    finally:
        spooled.COMMIT_EVERY = commit
    assert made.released == sorted(set(made.released))
    async with running(folder, disk=disk, policy=policy) as after:
        after.put = after.buffer.entries
        again = await after.drain()
    assert len(again) == left - unsaved
    gone = sum(count for count, _ in made.lost)
    assert again == sorted(set(again) - set(made.released) - set(made.dropped))
    assert len(made.released) + len(made.dropped) + gone + len(again) + unsaved == made.put


# ------------------------------------------------------------- when the sink is another one


async def test_suspending_wakes_the_delivery_that_waits(tmp_path: Path) -> None:
    async with running(tmp_path) as made:
        asyncio.get_running_loop().call_soon(made.buffer.suspend)
        assert await made.take() == []


async def test_there_is_room_at_once_for_those_who_wait_when_a_reload_gives_more_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Spool, "open", _fail)
    made = Made(tmp_path, memory=5 * ONE)
    await made.buffer.open()
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        tasks.create_task(made.fill(9))
        await until(lambda: made.buffer.blocked_entries)
        made.buffer.configure(BufferConfig(memory=Size(10 * ONE), disk=Size(2**20)))
    assert await made.drain() == list(range(9))


async def test_there_is_room_for_those_who_wait_when_a_reload_gives_the_disk_more(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, disk=2**17) as made:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(made.fill(400))
            await until(lambda: made.buffer.full)
            made.buffer.configure(BufferConfig(memory=Size(2**16), disk=Size(2**20)))
        assert used(tmp_path) > 2**17
        assert await made.drain() == list(range(400))


async def test_the_oldest_make_room_on_disk_as_soon_as_a_reload_says_so(tmp_path: Path) -> None:
    async with running(tmp_path, disk=2**17) as made:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(made.fill(400))
            await until(lambda: made.buffer.full)
            disk = Size(2**17)
            made.buffer.configure(
                BufferConfig(memory=Size(2**16), disk=disk, when_full="drop_oldest")
            )
        await until(lambda: not made.buffer.unsaved)
        assert {why for _, why in made.lost} == {"drop_oldest"}
        assert made.dropped == []
        lost = sum(count for count, _ in made.lost)
        assert await made.drain() == list(range(lost, 400))


async def test_what_was_taken_from_memory_is_given_again_and_settled_once(tmp_path: Path) -> None:
    async with running(tmp_path, memory=20 * ONE) as made:
        await made.fill(5)
        await made.take(2 * ONE)
        made.buffer.suspend()
        assert await made.take() == []
        made.buffer.resume()
        assert await made.drain() == list(range(5))
        assert made.settled == list(range(5))


async def test_what_was_taken_and_written_is_given_again_before_what_is_on_disk(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as made:
        await made.fill(2)
        await made.take()
        await made.fill(300)
        await until(lambda: made.buffer.disk.entries > 200)
        made.buffer.suspend()
        made.buffer.resume()
        assert await made.drain() == list(range(302))
        assert made.settled == list(range(302))
        await until(lambda: not segments(tmp_path))


async def test_what_is_put_when_a_sink_is_gone_is_dropped_and_settled(tmp_path: Path) -> None:
    async with running(tmp_path) as made:
        await made.fill(5)
        await made.drain()
    made.buffer.discard("gone")
    await made.fill(2)
    assert (made.dropped, made.settled) == ([5, 6], list(range(7)))
    assert made.balances()


async def test_what_a_sink_that_is_gone_leaves_on_disk_is_counted_and_there_for_the_next(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as made:
        await made.fill(300)
        await made.take(2 * ONE)
        await until(lambda: made.buffer.disk.entries > 200)
    left = made.buffer.discard("gone")
    assert left.total() == 300
    assert made.dropped == []
    async with running(tmp_path) as again:
        again.put = made.put
        assert await again.drain() == list(range(300))
