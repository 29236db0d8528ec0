"""What is remembered, and what happens to a file that cannot be."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from pathlib import Path

import pytest

from pipeline.accounting import checkpoint as module
from pipeline.accounting.checkpoint import MOST_ENDS, Checkpoint, Position, SavedEnd
from pipeline.model.errors import DocklineError
from pipeline.testing.leaks import unchanged
from tests.suite.open_files import open_files

HERE = Position(since="2026-01-31T23:59:59.000000001Z", skip=3, mark=7, sequence=42)


async def opened(folder: Path) -> Checkpoint:
    checkpoint = Checkpoint(folder)
    await asyncio.to_thread(checkpoint.open)
    return checkpoint


async def save(folder: Path, engine: str = "engine-1") -> None:
    checkpoint = await opened(folder)
    checkpoint.belongs_to(engine)
    checkpoint.looked = 1e9
    checkpoint.move("a" * 64, HERE)
    checkpoint.move_events(Position(since=HERE.since, skip=1))
    await checkpoint.save()
    checkpoint.close()


async def test_a_position_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    await save(tmp_path / "new" / "folder")
    again = await opened(tmp_path / "new" / "folder")
    again.belongs_to("engine-1")
    assert again["a" * 64] == HERE
    assert again.state.events.skip == 1
    assert again.last_saved == again.looked == 1e9
    again.close()


async def test_nothing_is_written_when_nothing_has_moved(tmp_path: Path) -> None:
    checkpoint = await opened(tmp_path)
    await checkpoint.save()
    assert not (tmp_path / "checkpoint.json").exists()
    checkpoint.close()


async def test_a_second_agent_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    first, second = await opened(tmp_path), Checkpoint(tmp_path)
    with pytest.raises(DocklineError, match="in use by another dockline"):
        await asyncio.to_thread(second.open)
    assert (first.folder, second.folder) == (tmp_path, None)
    first.close()
    (await opened(tmp_path)).close()


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b'{"version": 99}', b"\x00\xff", b'{"version":1,"containers":3}'],
    ids=["empty", "truncated", "a list", "null", "a future version", "rubbish", "a wrong shape"],
)
async def test_a_file_that_cannot_be_understood_is_set_aside_and_said(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "checkpoint.json").write_bytes(content)
    checkpoint = await opened(tmp_path)
    assert checkpoint.known() == set()
    assert checkpoint.last_saved == 0
    (aside,) = tmp_path.glob("*.aside")
    assert aside.read_bytes() == content
    assert "set aside" in caplog.text
    checkpoint.close()


@pytest.mark.fault(33)
async def test_the_file_of_another_engine_is_set_aside(tmp_path: Path) -> None:
    await save(tmp_path, engine="engine-1")
    checkpoint = await opened(tmp_path)
    checkpoint.belongs_to("engine-2")
    assert checkpoint.known() == set()
    assert checkpoint.last_saved == 0
    checkpoint.move("b" * 64, HERE)
    await checkpoint.save()
    assert len(list(tmp_path.glob("*.aside"))) == 1
    checkpoint.close()


@pytest.mark.fault(33)
async def test_every_cut_of_the_file_is_survived(tmp_path: Path) -> None:
    await save(tmp_path)
    whole = (tmp_path / "checkpoint.json").read_bytes()
    for length in range(len(whole)):
        (tmp_path / "checkpoint.json").write_bytes(whole[:length])
        checkpoint = await opened(tmp_path)
        assert checkpoint.known() == set()
        checkpoint.close()


async def test_a_folder_that_cannot_be_made_is_said_and_done_without(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    checkpoint = await opened(tmp_path / "file" / "state")
    checkpoint.move("a" * 64, HERE)
    await checkpoint.save()
    assert checkpoint["a" * 64] == HERE
    assert "cannot be used" in caplog.text


async def test_a_write_that_fails_is_said_and_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoint = await opened(tmp_path)
    checkpoint.move("a" * 64, HERE)
    (tmp_path / "checkpoint.new").mkdir()  # where the new file would be written
    await checkpoint.save()
    assert "cannot be written" in caplog.text
    (tmp_path / "checkpoint.new").rmdir()
    await checkpoint.save()
    assert json.loads((tmp_path / "checkpoint.json").read_text())["containers"]
    checkpoint.close()


async def test_a_state_is_safe_before_it_takes_the_place_of_the_last_one_and_its_name_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a crash of the machine there is one or the other."""
    order: list[str] = []
    sync, rename = os.fsync, Path.rename

    def noting(descriptor: int) -> None:
        order.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", noting)
    monkeypatch.setattr(Path, "rename", lambda old, new: (order.append("rename"), rename(old, new)))
    checkpoint = await opened(tmp_path)
    checkpoint.move("a" * 64, HERE)
    await checkpoint.save()
    assert order == [f"{tmp_path}/checkpoint.new", "rename", str(tmp_path)]
    assert "." not in open_files(tmp_path)
    checkpoint.close()


async def test_a_disk_that_stays_full_is_said_now_and_then_not_at_every_attempt(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoint = await opened(tmp_path)
    checkpoint.move("a" * 64, HERE)
    (tmp_path / "checkpoint.new").mkdir()
    for _ in range(20):
        await checkpoint.save()
    assert len(caplog.records) == 1
    checkpoint.close()


async def test_a_save_that_is_cancelled_is_over_before_the_next_and_is_made_good_by_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the agent is stopped while it saves."""
    replace, under_way, most, go_on = module._replace, 0, 0, threading.Event()

    def slow(file: Path, raw: bytes) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        go_on.wait(60)
        replace(file, raw)
        under_way -= 1

    monkeypatch.setattr(module, "_replace", slow)
    checkpoint = await opened(tmp_path)
    checkpoint.move("a" * 64, HERE)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await checkpoint.save()
    asyncio.get_running_loop().call_later(0.1, go_on.set)
    await checkpoint.save()  # though nothing has moved: the other one may have failed
    assert (most, under_way) == (1, 0)
    assert json.loads((tmp_path / "checkpoint.json").read_text())["containers"]
    checkpoint.close()


async def test_forgetting_a_container_is_saved_too(tmp_path: Path) -> None:
    await save(tmp_path)
    checkpoint = await opened(tmp_path)
    checkpoint.forget("a" * 64)
    await checkpoint.save()
    checkpoint.close()
    again = await opened(tmp_path)
    assert again.known() == set()
    again.close()
    assert not os.path.lexists(tmp_path / "checkpoint.new")


async def test_saving_leaves_no_file_open(tmp_path: Path) -> None:
    async def saves() -> None:
        checkpoint = await opened(tmp_path)
        for number in range(3):
            checkpoint.move("a" * 64, Position(sequence=number))
            await checkpoint.save()
        await abandon(checkpoint)

    await unchanged(saves)


async def test_a_container_takes_no_room_once_it_is_forgotten_and_that_is_saved(
    tmp_path: Path,
) -> None:
    checkpoint = await opened(tmp_path)
    for number in range(10):
        checkpoint.follow(str(number)).of("r", "quick").skip(HERE.sequence + 1)
        checkpoint.move(str(number), HERE)
        await checkpoint.save()
        checkpoint.forget(str(number))
    await checkpoint.save()
    assert not (checkpoint.known() or checkpoint.state.ahead)
    assert not (checkpoint._moved or checkpoint._offsets)
    checkpoint.close()


async def test_what_sinks_have_beyond_a_position_is_saved_until_the_position_is_there_too(
    tmp_path: Path,
) -> None:
    def saved() -> object:
        return json.loads((tmp_path / "checkpoint.json").read_text())["ahead"]

    checkpoint = await opened(tmp_path)
    checkpoint.move("a" * 64, HERE)
    offsets = checkpoint.follow("a" * 64)
    await checkpoint.save()
    assert saved() == {}
    further = HERE.sequence + 5
    offsets.of("r", "quick").skip(further)
    await checkpoint.save()
    assert saved() == {"a" * 64: {"r": {"quick": further}}}
    checkpoint.move("a" * 64, Position(since=HERE.since, sequence=further))
    await checkpoint.save()
    assert saved() == {}
    checkpoint.close()


# ---------------------------------------------------------------------------- the journal


async def noted(folder: Path) -> None:
    """Waits until all that has changed is in the journal."""
    async with asyncio.timeout(60):
        while b'"' not in b"".join([file.read_bytes() for file in folder.glob("journal.*")]):
            await asyncio.sleep(0.005)


async def abandon(checkpoint: Checkpoint) -> None:
    """As the end of the process does a moment later: nothing more is saved."""
    checkpoint.close()
    assert checkpoint._journal is not None
    await asyncio.to_thread(checkpoint._journal.join)


async def test_what_has_moved_since_the_last_save_comes_back_from_the_journal(
    tmp_path: Path,
) -> None:
    await save(tmp_path)
    checkpoint = await opened(tmp_path)
    checkpoint.belongs_to("engine-1")
    checkpoint.looked = 2e9
    await checkpoint.save()
    there, further = Position(since=HERE.since, skip=9), Position(since=HERE.since, skip=10)
    checkpoint.move("a" * 64, there)
    checkpoint.move("a" * 64, further)
    checkpoint.move("b" * 64, there)
    checkpoint.move_events(further)
    await abandon(checkpoint)
    again = await opened(tmp_path)
    assert (again["a" * 64], again["b" * 64], again.state.events) == (further, there, further)
    assert again.last_saved == 2e9
    again.close()


async def test_what_was_forgotten_since_the_last_save_stays_forgotten(tmp_path: Path) -> None:
    await save(tmp_path)
    checkpoint = await opened(tmp_path)
    checkpoint.belongs_to("engine-1")
    await checkpoint.save()
    checkpoint.forget("a" * 64)
    await abandon(checkpoint)
    again = await opened(tmp_path)
    assert again.known() == set()
    again.close()


async def test_what_sinks_have_beyond_a_position_comes_back_too(tmp_path: Path) -> None:
    await save(tmp_path)
    checkpoint = await opened(tmp_path)
    checkpoint.belongs_to("engine-1")
    offsets = checkpoint.follow("a" * 64)
    await checkpoint.save()
    offsets.of("r", "quick").skip(HERE.sequence + 5)
    await abandon(checkpoint)
    second = await opened(tmp_path)
    assert second.ahead("a" * 64) == {"r": {"quick": HERE.sequence + 5}}
    second.belongs_to("engine-1")
    await second.save()
    second.close()
    third = await opened(tmp_path)
    assert third.ahead("a" * 64) == {"r": {"quick": HERE.sequence + 5}}
    offsets = third.follow("a" * 64)
    offsets.doubt(HERE.sequence + 1)
    await abandon(third)
    fourth = await opened(tmp_path)
    assert fourth.ahead("a" * 64) == {}
    fourth.close()


async def test_a_journal_is_not_believed_where_the_saved_state_is_newer(tmp_path: Path) -> None:
    checkpoint = await opened(tmp_path)
    checkpoint.belongs_to("engine-1")
    checkpoint.looked = 1e9
    old, new = Position(since=HERE.since, skip=1), Position(since=HERE.since, skip=2)
    checkpoint.move("a" * 64, old)
    await checkpoint.save()
    checkpoint.move("a" * 64, old)
    await noted(tmp_path)
    checkpoint.move("a" * 64, new)
    await checkpoint.save()
    checkpoint.close()
    again = await opened(tmp_path)
    assert again["a" * 64] == new
    again.close()


async def test_old_journals_are_removed(tmp_path: Path) -> None:
    checkpoint = await opened(tmp_path)
    checkpoint.belongs_to("engine-1")
    for number in range(10):
        checkpoint.move("a" * 64, Position(sequence=number))
        await checkpoint.save()
        await asyncio.sleep(0.02)
    assert len(list(tmp_path.glob("journal.*"))) <= 2
    checkpoint.close()


@pytest.mark.parametrize("content", [None, b"", b"{"], ids=["missing", "empty", "torn"])
async def test_a_journal_without_a_saved_state_means_nothing(
    tmp_path: Path, content: bytes | None
) -> None:
    checkpoint = await opened(tmp_path)
    checkpoint.belongs_to("engine-1")
    await checkpoint.save()
    checkpoint.move("a" * 64, HERE)
    await abandon(checkpoint)
    assert list(tmp_path.glob("journal.*"))
    if content is None:
        (tmp_path / "checkpoint.json").unlink()
    else:
        (tmp_path / "checkpoint.json").write_bytes(content)
    again = await opened(tmp_path)
    assert again.known() == set()
    again.close()


async def test_while_no_state_can_be_saved_there_is_one_journal_of_a_bounded_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.accounting.journal.LARGEST", 1000)
    monkeypatch.setattr("pipeline.accounting.journal.PAUSE", 0.001)
    await asyncio.to_thread((tmp_path / "checkpoint.new").mkdir)
    checkpoint = await opened(tmp_path)
    for number in range(100):
        checkpoint.move("a" * 64, Position(sequence=number))
        await checkpoint.save()
        await asyncio.sleep(0.003)
    await abandon(checkpoint)
    files = await asyncio.to_thread(lambda: list(tmp_path.glob("journal.*")))
    assert len(files) <= 2
    assert max(file.stat().st_size for file in files) < 2000


async def test_how_containers_ended_is_kept_for_the_last_ones(tmp_path: Path) -> None:
    checkpoint = await opened(tmp_path)
    for number in range(MOST_ENDS + 5):
        checkpoint.note_end(f"{number:064}", SavedEnd(float(number), "stopped"))
    checkpoint.note_end(f"{7:064}", SavedEnd(1e9, "by_itself"))
    checkpoint.note_end(f"{8:064}", None)
    checkpoint.note_end("unknown", None)
    await checkpoint.save()
    checkpoint.close()
    checkpoint = await opened(tmp_path)
    ends = checkpoint.state.ends
    checkpoint.close()
    assert list(ends)[:3] == [f"{number:064}" for number in (5, 6, 9)]
    assert list(ends.items())[-1] == (f"{7:064}", SavedEnd(1e9, "by_itself"))
    assert len(ends) == MOST_ENDS - 1
