"""The file sink: what stands in the file, and what it says when it cannot be written."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.model.component import Duration, SinkContext, Size
from pipeline.model.errors import ConfigError, Unavailable
from pipeline.sinks.file import Config, File, RotateConfig
from pipeline.testing.builders import batch
from pipeline.testing.sink_kit import SinkKit


def sink(path: Path | str, **options: Any) -> File:
    return File(Config(type="file", path=str(path), **options), SinkContext("archive"))


async def deliver(to: File, *payloads: str) -> None:
    await to.open()
    for line in payloads:
        await to.send(to.encode([batch(line)]))
    await to.close()


async def test_entries_are_json_lines_in_order(tmp_path: Path) -> None:
    path = tmp_path / "made" / "out.json"
    await deliver(sink(path, fsync="batch"), "one", "two")
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    assert [entry["message"] for entry in entries] == ["one", "two"]


async def test_entries_are_lines_of_text_where_asked(tmp_path: Path) -> None:
    await deliver(sink(tmp_path / "out", format="text"), "one")
    expected = "2026-01-31T23:59:59.000000000Z api-1 stdout | one\n"
    assert (tmp_path / "out").read_text() == expected


async def test_files_are_rotated_and_none_holds_half_an_entry(tmp_path: Path) -> None:
    rotate = RotateConfig(size=Size(1000), keep=100)
    await deliver(sink(tmp_path / "out", rotate=rotate), *map(str, range(50)))
    files = sorted(tmp_path.iterdir(), key=lambda file: -int(file.suffix[1:] or 0))
    lines = [line for file in files for line in file.read_text().splitlines()]
    assert [json.loads(line)["message"] for line in lines] == list(map(str, range(50)))
    assert len(files) > 10 and max(file.stat().st_size for file in files) <= 1000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("mounting a small file system takes root")
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)]
    mounted = subprocess.run(command, check=False, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"a small file system cannot be mounted: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.server
async def test_on_a_full_disk_nothing_stands_twice_once_there_is_room(small_disk: Path) -> None:
    path, ballast = small_disk / "out.json", small_disk / "ballast"
    ballast.write_bytes(b"x" * 200_000)
    to = sink(path)
    await to.open()
    await to.send(to.encode([batch("before")]))
    payload = to.encode([batch(*["x" * 100] * 200)])
    with pytest.raises(Unavailable, match="the disk is full; free some space"):
        await to.send(payload)
    ballast.unlink()
    await to.open()
    await to.send(payload)
    await to.close()
    lines = path.read_text().splitlines()
    assert len(lines) == 201
    assert all(json.loads(line) for line in lines)


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("folder", "is a pipe or a device, not a file"),
        ("file/below", "a part of the path is not a folder"),
        ("/proc/dockline", "cannot be"),
    ],
)
async def test_a_place_that_cannot_be_written_is_told(
    tmp_path: Path, place: str, says: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    to = sink(tmp_path / place)
    with pytest.raises(Unavailable, match=says) as caught:
        await to.open()
    assert str(caught.value).startswith(str(tmp_path / place))
    await to.close()


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"path": ""}, "path"),
        ({"path": "/var/log/"}, "path"),
        ({"path": "x", "rotate": RotateConfig(every=Duration(0.1))}, "rotate.every"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(options: dict[str, Any], path: str) -> None:
    with pytest.raises(ConfigError) as caught:
        sink(**options)
    assert caught.value.path == path


class TestFile(SinkKit):
    complaint = "is not a folder"

    @pytest.fixture
    def sink(self, tmp_path: Path) -> File:
        return sink(tmp_path / "out.json", fsync="batch")

    @pytest.fixture
    def unreachable(self, tmp_path: Path) -> File:
        (tmp_path / "file").touch()
        return sink(tmp_path / "file" / "out.json")
