"""A folder of segments: what goes in comes out, in order, within its limit."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.buffer.record import HEADER
from pipeline.buffer.spool import RECORD_SIZE, Spool
from pipeline.model.batch import Batch
from pipeline.model.errors import DocklineError
from pipeline.testing.builders import batch, container
from tests.buffer.any_batch import batches, facts
from tests.buffer.spools import (
    API,
    LIMIT,
    numbered,
    numbers,
    opened,
    read,
    reopened,
    segments,
    used,
    write,
)
from tests.suite.examples import examples


@given(given_=st.lists(st.lists(batches(), min_size=1, max_size=3), max_size=4))
@settings(max_examples=examples(50))
def test_any_batches_come_back_as_they_were_and_in_order(
    given_: list[list[Batch]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("spool")
    with opened(folder) as spool:
        for some in given_:
            spool.append(some, 0)
    with opened(folder) as spool:
        chunk = spool.read(0, spool.end, 1 << 30)
    written = [facts(one) for some in given_ for one in some]
    assert [facts(one) for _, one in chunk.batches] == written
    assert chunk.lost == 0


def test_entries_are_counted_from_the_first_one_ever_written(tmp_path: Path) -> None:
    with opened(tmp_path) as spool:
        spool.append([numbered(0, 3), numbered(3, 2)], 0)
        assert spool.end == 5
        chunk = spool.read(0, 5, LIMIT)
        assert [end for end, _ in chunk.batches] == [3, 5]
        spool.settle(5)
    with opened(tmp_path) as spool:
        assert (spool.settled, spool.end) == (5, 5)
        spool.append([numbered(5)], 0)
        assert spool.end == 6


def test_many_batches_are_one_record_and_one_fsync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(tmp_path) as spool:
        spool.append([numbered(0)], 0)
        syncs: list[int] = []
        monkeypatch.setattr(os, "fdatasync", syncs.append)
        before = spool.bytes
        spool.append([numbered(number) for number in range(1, 201)], 0)
        assert len(syncs) == 1
        assert spool.bytes - before < 200 * 10
        chunk = spool.read(0, spool.end, 1)
        assert len(chunk.batches) == 1
        assert len(spool.read(1, spool.end, 1).batches) == 200


def test_a_record_gathers_batches_up_to_its_size(tmp_path: Path) -> None:
    one = numbered(0, size=1000)
    with opened(tmp_path) as spool:
        spool.append([one] * 1000, 0)
        first = spool.read(0, spool.end, 1)
    assert RECORD_SIZE <= first.size < RECORD_SIZE + one.size
    assert len(first.batches) == -(-RECORD_SIZE // one.size)


def test_a_batch_larger_than_a_record_or_a_segment_has_one_to_itself(tmp_path: Path) -> None:
    with opened(tmp_path) as spool:
        large = numbered(1, 300, size=2000)
        assert large.size > 2 * RECORD_SIZE
        spool.append([numbered(0), large, numbered(301)], 0)
        assert read(spool) == (list(range(302)), 0)
    sizes = [file.stat().st_size for file in segments(tmp_path)]
    assert max(sizes) > spool.segment_size


def test_segments_are_begun_when_one_is_large_enough(tmp_path: Path) -> None:
    with opened(tmp_path) as spool:
        spool.append([numbered(number, size=20_000) for number in range(40)], 0)
        assert spool.segment_size == LIMIT // 16
        assert read(spool) == (list(range(40)), 0)
    files = segments(tmp_path)
    assert len(files) > 2
    firsts = [int(file.name.split("-")[0]) for file in files]
    assert firsts == sorted(firsts)
    assert firsts[0] == 0


def test_what_is_read_stays_within_its_limit_but_is_at_least_one_record(tmp_path: Path) -> None:
    with opened(tmp_path) as spool:
        for number in range(10):
            spool.append([numbered(number, size=1000)], 0)
        size = numbered(0, size=1000).size
        assert len(spool.read(0, 10, 3 * size).batches) == 3
        assert len(spool.read(3, 10, 3 * size - 1).batches) == 2
        assert len(spool.read(5, 10, 0).batches) == 1
        assert numbers([one for _, one in spool.read(6, 8, LIMIT).batches]) == [6, 7]


def test_reading_may_be_done_again_and_from_anywhere(tmp_path: Path) -> None:
    with opened(tmp_path) as spool:
        for number in range(0, 60, 3):
            spool.append([numbered(number, 2), numbered(number + 2)], 0)
        positions = [0, 57, 0, 3, 3, 30, 2, 59]
        for position in positions:
            assert read(spool, position, 500) == (list(range(position, 60)), 0), position


def test_reading_goes_on_where_writing_has_gone_on(tmp_path: Path) -> None:
    chooser = random.Random(1)
    with opened(tmp_path, 64 * 1024) as spool:
        position, seen = 0, []
        for number in range(500):
            spool.append([numbered(number, size=chooser.randrange(2000))], 0)
            while position < spool.end and chooser.random() < 0.7:
                chunk = spool.read(position, spool.end, 3000)
                seen += numbers([one for _, one in chunk.batches])
                position = chunk.position
                spool.settle(position)
        seen += read(spool, position)[0]
    assert seen == list(range(500))


# ------------------------------------------------------------------------------------ settle


def test_a_segment_is_removed_when_all_of_it_is_delivered(tmp_path: Path) -> None:
    with opened(tmp_path) as spool:
        spool.append([numbered(number, size=40_000) for number in range(8)], 0)
        files = segments(tmp_path)
        second = int(files[1].name.split("-")[0])
        spool.settle(second - 1)
        assert segments(tmp_path) == files
        spool.settle(second)
        assert segments(tmp_path) == files[1:]
        spool.settle(8)
        assert segments(tmp_path) == []
        assert spool.bytes == used(tmp_path)
        spool.append([numbered(8)], 0)
        assert read(spool, 8) == ([8], 0)


def test_the_next_agent_begins_after_what_was_delivered(tmp_path: Path) -> None:
    with opened(tmp_path) as spool:
        spool.append([numbered(0, 4), numbered(4, 4), numbered(8, 4)], 0)
        spool.settle(4)
    assert reopened(tmp_path) == ([*range(4, 12)], 0)


def test_the_cursor_is_safe_before_a_segment_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were it not, the missing segment would look lost after a power failure."""
    with opened(tmp_path) as spool:
        spool.append([numbered(0)], 0)
        order: list[str] = []
        sync, unlink = os.fdatasync, Path.unlink
        monkeypatch.setattr(os, "fdatasync", lambda fd: (order.append("sync"), sync(fd)))
        monkeypatch.setattr(
            Path, "unlink", lambda path, **how: (order.append("remove"), unlink(path, **how))
        )
        spool.settle(1)
        assert order == ["sync", "remove"]


# ------------------------------------------------------------------------------------- limit


def test_the_disk_is_used_up_to_the_limit_and_not_one_byte_more(tmp_path: Path) -> None:
    one = numbered(0, size=3000)
    with opened(tmp_path / "measure") as spool:
        spool.append([one], 0)
        record = spool.bytes - 512
    for limit, fit in [(512 + 5 * record, 5), (512 + 5 * record - 1, 4)]:
        folder = tmp_path / str(limit)
        with opened(folder, limit) as spool:
            for _ in range(fit):
                spool.append([one], 0)
                assert not spool.full
            spool.append([one], 0)
            assert spool.full
            assert spool.end == fit
            assert used(folder) == spool.bytes == 512 + fit * record


def test_as_many_records_of_an_append_are_written_as_fit(tmp_path: Path) -> None:
    with opened(tmp_path) as spool:
        spool.append([numbered(number, size=300_000) for number in range(20)], 0)
        assert spool.full
        assert spool.end == 3
        assert used(tmp_path) <= LIMIT
        assert read(spool) == (list(range(spool.end)), 0)


def test_there_is_room_again_when_a_segment_is_removed(tmp_path: Path) -> None:
    with opened(tmp_path) as spool:
        spool.append([numbered(number, size=300_000) for number in range(20)], 0)
        end = spool.end
        spool.settle(1)
        assert not spool.full
        spool.append([numbered(end, size=300_000)], 0)
        assert not spool.full
        assert read(spool) == (list(range(1, end + 1)), 0)


def test_what_can_never_fit_is_refused_and_costs_nothing(tmp_path: Path) -> None:
    with opened(tmp_path, 4096) as spool:
        spool.append([numbered(0, size=10_000)], 0)
        assert spool.full
        assert (spool.end, used(tmp_path)) == (0, 512)


def test_a_spool_larger_than_a_new_limit_is_read_and_not_added_to(tmp_path: Path) -> None:
    write(tmp_path, *(numbered(number, size=10_000) for number in range(10)))
    with opened(tmp_path, 50_000) as spool:
        spool.append([numbered(10)], 0)
        assert spool.full
        assert read(spool) == (list(range(10)), 0)


def test_a_new_limit_is_that_of_a_spool_which_is_opened_with_it(tmp_path: Path) -> None:
    with opened(tmp_path) as spool:
        spool.configure(LIMIT // 2, drop_oldest=True)
        assert (spool.limit, spool.segment_size) == (LIMIT // 2, LIMIT // 32)


# ------------------------------------------------------------------------------- drop oldest


def test_the_oldest_segments_make_room_and_each_entry_of_them_is_counted(tmp_path: Path) -> None:
    two = container("web-1", number=2)
    with opened(tmp_path, 64 * 1024, drop_oldest=True) as spool:
        for number in range(50):
            spool.append(
                [numbered(number, size=3000), batch("x", "y", of=two)] if number % 10 == 0
                else [numbered(number, size=3000)],
                0,
            )  # fmt: skip
            assert not spool.full
            assert used(tmp_path) == spool.bytes <= 64 * 1024
        kept, lost = [], 0
        position = 0
        while position < spool.end:
            chunk = spool.read(position, spool.end, 1)
            kept += [one for _, one in chunk.batches if one.container.id == API.id]
            position, lost = chunk.position, lost + chunk.lost
        dropped = list(spool.lost)
    first = numbers(kept)[0]
    assert lost == 0
    assert numbers(kept) == list(range(first, 50))
    counts = {two.id: 0, API.id: 0}
    for one, entries, why, _ in dropped:
        assert one is not None
        assert why == "drop_oldest"
        counts[one.container_id] += entries
    assert counts == {API.id: first, two.id: 2 * len(range(0, first, 10))}


def test_what_was_dropped_is_not_lost_for_the_next_agent(tmp_path: Path) -> None:
    with opened(tmp_path, 64 * 1024, drop_oldest=True) as spool:
        spool.append([numbered(0, size=3000), numbered(1, size=3000)], 0)
        assert numbers([one for _, one in spool.read(0, 2, 1).batches]) == [0, 1]
        for number in range(2, 60):
            spool.append([numbered(number, size=3000)], 0)
        dropped = sum(loss.entries for loss in spool.lost)
        assert dropped
    found, lost = reopened(tmp_path)
    assert lost == 0
    assert found == [0, 1, *range(2 + dropped, 60)]


def test_what_somebody_has_read_is_not_dropped(tmp_path: Path) -> None:
    with opened(tmp_path, 64 * 1024, drop_oldest=True) as spool:
        for number in range(15):
            spool.append([numbered(number, size=3000)], 0)
        assert len(spool.read(0, 15, 9 * numbered(0, size=3000).size).batches) == 9
        for number in range(15, 60):
            spool.append([numbered(number, size=3000)], 0)
        dropped = sum(loss.entries for loss in spool.lost)
        assert dropped
        assert numbers([one for _, one in spool.read(0, 9, LIMIT).batches]) == list(range(9))
        assert read(spool, 9) == (list(range(9 + dropped, 60)), 0)


def test_when_all_has_been_read_by_somebody_nothing_is_dropped(tmp_path: Path) -> None:
    with opened(tmp_path, 64 * 1024, drop_oldest=True) as spool:
        for number in range(60):
            spool.append([numbered(number, size=3000)], 0)
            read(spool)
            if spool.full:
                break
        assert spool.full
        assert not spool.lost
        assert read(spool) == (list(range(spool.end)), 0)


def test_what_was_taken_from_memory_and_then_written_is_not_dropped(tmp_path: Path) -> None:
    with opened(tmp_path, 64 * 1024, drop_oldest=True) as spool:
        for number in range(60):
            spool.append([numbered(number, size=3000)], 10)
        dropped = sum(loss.entries for loss in spool.lost)
        assert dropped
        assert read(spool)[0] == [*range(10), *range(10 + dropped, 60)]


def test_an_append_does_not_drop_what_it_has_just_written(tmp_path: Path) -> None:
    with opened(tmp_path, 64 * 1024, drop_oldest=True) as spool:
        spool.append([numbered(number, size=300_000) for number in range(3)], 0)
        assert spool.full
        assert (spool.end, list(spool.lost)) == (0, [])
        spool.append([numbered(0, 300, size=100), *(numbered(300, 300, size=100),) * 9], 0)
        assert spool.full
        assert not spool.lost


# -------------------------------------------------------------------------------------- lock


@pytest.mark.fault(31)
def test_a_second_agent_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with opened(tmp_path), pytest.raises(DocklineError, match="in use by another dockline"):
        Spool(tmp_path, LIMIT).open()
    with opened(tmp_path):
        pass


def test_opening_an_open_spool_changes_nothing(tmp_path: Path) -> None:
    with opened(tmp_path) as spool:
        spool.append([numbered(0)], 0)
        spool.open()
        assert spool.end == 1


def test_two_headers_and_a_payload_are_all_that_a_record_costs(tmp_path: Path) -> None:
    with opened(tmp_path) as spool:
        one = numbered(0)
        spool.append([one], 0)
        payload, _ = spool._columns.encode([one])
        assert spool.bytes == used(tmp_path) == 512 + HEADER + len(payload)
