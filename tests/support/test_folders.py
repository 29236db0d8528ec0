"""Folders whose names outlive a crash of the host."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from pipeline.accounting.checkpoint import Checkpoint
from pipeline.support.folders import make_folder


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files and folders that were given to fsync, in order."""
    paths: list[Path] = []
    fsync = os.fsync

    def recorded(descriptor: int) -> None:
        paths.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", recorded)
    return paths


def test_each_folder_that_is_made_is_made_safe_in_the_one_above_it(
    tmp_path: Path, synced: list[Path]
) -> None:
    make_folder(tmp_path / "lib" / "dockline" / "spools", 0o700)
    assert synced == [tmp_path, tmp_path / "lib", tmp_path / "lib" / "dockline"]
    assert (tmp_path / "lib" / "dockline" / "spools").stat().st_mode & 0o777 == 0o700


def test_a_folder_that_is_there_costs_no_write(tmp_path: Path, synced: list[Path]) -> None:
    make_folder(tmp_path)
    assert synced == []


async def test_a_new_state_folder_outlives_a_crash_of_the_host(
    tmp_path: Path, synced: list[Path]
) -> None:
    """Its files were made safe, and its own name was not: a crash could take all of it."""
    checkpoint = Checkpoint(tmp_path / "state")
    await asyncio.to_thread(checkpoint.open)
    checkpoint.close()
    assert tmp_path in synced
