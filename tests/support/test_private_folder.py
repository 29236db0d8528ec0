"""What the agent remembers is for its own user alone."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.accounting.checkpoint import Checkpoint, Position
from pipeline.observe import token
from pipeline.support.private_folder import make_private
from tests.buffer.spools import numbered, write
from tests.suite.waiting import until


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def modes(folder: Path) -> dict[str, str]:
    """Of the folder, and of all that is in it."""
    found = (folder, *folder.rglob("*"))
    return {str(one.relative_to(folder)): f"{one.stat().st_mode & 0o777:o}" for one in found}


async def test_the_agent_makes_its_folder_and_files_for_itself_alone(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "state"
    checkpoint = Checkpoint(folder)
    await asyncio.to_thread(checkpoint.open)
    checkpoint.belongs_to("engine-1")
    checkpoint.move("a" * 64, Position(sequence=1))
    await checkpoint.save()
    checkpoint.move("a" * 64, Position(sequence=2))
    await until((folder / "journal.2").exists)
    await asyncio.to_thread(write, folder / "spools" / "logstash", numbered(0, 5))
    found = modes(folder)
    checkpoint.close()
    assert {"checkpoint.json", "journal.2", "spools/logstash/lock"} <= found.keys()
    for name, mode in found.items():
        assert mode == ("700" if (folder / name).is_dir() else "600"), name


@pytest.mark.fault(105)
def test_what_is_there_is_narrowed_at_the_start_and_links_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "of somebody else"
    outside.write_text("")
    outside.chmod(0o644)
    folder = tmp_path / "state"
    write(folder / "spools" / "logstash", numbered(0, 5))
    for name in ("checkpoint.json", "checkpoint.1.aside", "journal.7", "lock"):
        (folder / name).write_text("{}")
    (folder / "spools" / "link").symlink_to(outside)
    for one in (folder, *folder.rglob("*")):
        if not one.is_symlink():
            one.chmod(0o755 if one.is_dir() else 0o664)
    make_private(folder)
    for one in (folder, *folder.rglob("*")):
        wide = one.is_symlink()
        assert bool(one.stat().st_mode & 0o077) is wide, one


def test_a_folder_that_has_other_things_stays_open_and_this_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tmp_path.chmod(0o755)
    for name in ("checkpoint.json", "notes.txt"):
        (tmp_path / name).write_text("")
    make_private(tmp_path)
    assert modes(tmp_path) == {".": "755", "checkpoint.json": "600", "notes.txt": "644"}
    assert "its own [state] directory" in caplog.text


def test_what_cannot_be_narrowed_is_said_once_and_ends_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A double of the refusal: tests run as root, who is refused nothing."""

    def refused(self: Path, mode: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    tmp_path.chmod(0o755)
    for name in ("checkpoint.json", "journal.1"):
        (tmp_path / name).write_text("")
    monkeypatch.setattr(Path, "chmod", refused)
    make_private(tmp_path)
    [said] = caplog.messages
    assert said.startswith(
        f"{tmp_path} can be read by other users, and its mode cannot be changed ("
    )
    assert "Operation not permitted, and 2 more" in said
    monkeypatch.undo()


@pytest.mark.fault(105)
@pytest.mark.parametrize("mode", [0o640, 0o602, 0o644])
def test_a_token_that_others_could_read_or_write_is_not_used_any_more(
    tmp_path: Path, mode: int, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "token").write_text("t" * 43)
    (tmp_path / "token").chmod(mode)
    make_private(tmp_path)
    assert token.kept(tmp_path) != "t" * 43
    assert "could be read by other users" in caplog.text
    made = token.read(tmp_path)
    make_private(tmp_path)
    assert token.kept(tmp_path) == made
