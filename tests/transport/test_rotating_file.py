"""A rotating file: whole payloads, durable where asked, on whichever side of a crash."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.transport.rotating_file import RotatingFile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "out.json"


def written(path: Path) -> dict[str, bytes]:
    """Every file of the folder."""
    return {file.name: file.read_bytes() for file in sorted(path.parent.iterdir())}


def test_folders_are_made_and_writes_are_appended(path: Path) -> None:
    for line in (b"one\n", b"two\n"):
        file = RotatingFile(str(path))
        file.open()
        file.write(line)
        file.close()
    assert written(path) == {"out.json": b"one\ntwo\n"}


def test_a_line_that_a_crash_cut_short_is_ended(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b'{"whole":1}\n{"to')
    file = RotatingFile(str(path))
    file.open()
    file.write(b"{}\n")
    file.close()
    assert path.read_bytes() == b'{"whole":1}\n{"to\n{}\n'


def test_the_file_is_moved_aside_before_the_payload_that_is_too_much(path: Path) -> None:
    file = RotatingFile(str(path), size=10, keep=2)
    for payload in (b"aaaa\n", b"bbbb\n", b"cccc\n", b"d" * 20 + b"\n", b"e\n", b"f\n"):
        file.write(payload)
    file.close()
    assert written(path) == {
        "out.json": b"e\nf\n",
        "out.json.1": b"d" * 20 + b"\n",
        "out.json.2": b"cccc\n",
    }


def test_nothing_is_kept_where_nothing_shall_be(path: Path) -> None:
    file = RotatingFile(str(path), size=1, keep=0)
    for payload in (b"a\n", b"b\n", b"c\n"):
        file.write(payload)
    file.close()
    assert written(path) == {"out.json": b"c\n"}


def test_files_beyond_a_smaller_number_are_removed(path: Path) -> None:
    path.parent.mkdir()
    for number in range(1, 6):
        path.with_name(f"out.json.{number}").write_text(f"{number}\n")
    file = RotatingFile(str(path), size=1, keep=2)
    file.write(b"a\n")
    file.write(b"b\n")
    file.close()
    assert written(path) == {"out.json": b"b\n", "out.json.1": b"a\n", "out.json.2": b"1\n"}


def test_each_period_has_a_file_of_its_own(path: Path) -> None:
    now = 1000.0
    file = RotatingFile(str(path), every=60, clock=lambda: now)
    file.write(b"a\n")
    file.write(b"b\n")
    now = 1020.0  # another period of 60 s since the epoch
    file.write(b"c\n")
    file.close()
    assert written(path) == {"out.json": b"c\n", "out.json.1": b"a\nb\n"}


@pytest.mark.parametrize(("modified", "files"), [(1019, 2), (1020, 1)])
def test_after_a_restart_the_file_belongs_to_the_period_of_its_last_write(
    path: Path, modified: int, files: int
) -> None:
    path.parent.mkdir()
    path.write_bytes(b"before\n")
    os.utime(path, (modified, modified))
    file = RotatingFile(str(path), every=60, clock=lambda: 1021.0)
    file.open()
    file.write(b"after\n")
    file.close()
    assert len(written(path)) == files


@pytest.mark.parametrize("remove", [Path.unlink, lambda path: path.rename(f"{path}-moved")])
def test_a_file_that_another_program_moved_or_removed_is_made_anew(
    path: Path, remove: Callable[[Path], object]
) -> None:
    file = RotatingFile(str(path))
    file.write(b"a\n")
    remove(path)
    file.write(b"b\n")
    file.close()
    assert path.read_bytes() == b"b\n"


def test_a_file_that_another_program_truncated_is_gone_on_with(path: Path) -> None:
    file = RotatingFile(str(path))
    file.write(b"a" * 1000 + b"\n")
    os.truncate(path, 0)
    file.write(b"b\n")
    file.close()
    assert path.read_bytes() == b"b\n"


@pytest.mark.parametrize("call", ["write", "fdatasync"])
def test_what_was_written_of_a_payload_that_failed_is_taken_back(
    path: Path, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A double, since a full disk would fail in different places on different file systems."""
    file = RotatingFile(str(path), sync_writes=True)
    file.write(b"before\n")
    really = os.write

    def half(descriptor: int, data: memoryview) -> int:
        if len(data) <= 3:
            raise OSError(28, "No space left on device")
        return really(descriptor, data[:3])

    def fail(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, call, half if call == "write" else fail)
        with pytest.raises(OSError, match=r"No space left|Input/output"):
            file.write(b"payload\n")
    assert path.read_bytes() == b"before\n"
    file.open()
    file.write(b"payload\n")
    file.close()
    assert path.read_bytes() == b"before\npayload\n"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"sync_writes": False, "sync_files": False}, []),
        ({"sync_writes": False}, ["folder", "folder", "file", "folder", "file"]),
        (
            {"sync_writes": True},
            ["folder", "folder", "data", "data", "file", "folder", "data", "file"],
        ),
    ],
)
def test_what_is_forced_to_the_disk_and_when(
    path: Path, options: dict[str, bool], expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    forced: list[str] = []

    def fsync(descriptor: int) -> None:
        is_folder = Path(f"/proc/self/fd/{descriptor}").resolve().is_dir()
        forced.append("folder" if is_folder else "file")

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "fdatasync", lambda descriptor: forced.append("data"))
    file = RotatingFile(str(path), size=4, **options)
    for payload in (b"a\n", b"b\n", b"c\n"):
        file.write(payload)
    file.close()
    assert forced == expected


def test_a_pipe_is_not_a_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="Illegal seek"):
        RotatingFile(str(tmp_path / "pipe")).open()


def test_closing_what_is_not_open_is_fine(path: Path) -> None:
    RotatingFile(str(path)).close()
