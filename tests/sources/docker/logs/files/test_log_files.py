"""A log is followed through its files, whatever they are renamed to meanwhile."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.accounting.checkpoint import FilePlace
from pipeline.sources.docker.decode.rows import SEAL, seal_of
from pipeline.sources.docker.logs.files import log_files as module
from pipeline.sources.docker.logs.files.log_files import FileTruncated, LogFiles, Lost
from tests.sources.docker.decode.json_rows import at, row


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "id-json.log"


@pytest.fixture
def files() -> Iterator[LogFiles]:
    made = LogFiles()
    yield made
    made.close()


def rotate(path: Path, keep: int = 5) -> None:
    """As dockerd does it."""
    for number in range(keep - 1, 1, -1):
        for end in ("", ".gz"):
            old = Path(f"{path}.{number - 1}{end}")
            if old.exists():
                old.rename(f"{path}.{number}{end}")
    path.rename(f"{path}.1")
    path.touch()


def squeeze(path: Path) -> None:
    """What it does next, with `compress`."""
    Path(f"{path}.1.gz").write_bytes(gzip.compress(Path(f"{path}.1").read_bytes()))
    Path(f"{path}.1").unlink()


def write(path: Path, *numbers: int) -> None:
    with path.open("ab") as log:
        for number in numbers:
            log.write(row(f"line {number}\n", time=at(number)))


def rest_of(files: LogFiles) -> bytes:
    """All that there is from where it stands, through all files."""
    data = b""
    while True:
        more = files.more
        block = files.current.read_cached()
        if block is None:
            block = files.current.read()
        data += block
        if block:
            continue
        if not more:
            return data
        files.advance()
        files.look()


def numbers(data: bytes) -> list[int]:
    return [int(line.split(b"line ")[1].split(b"\\n")[0]) for line in data.splitlines()]


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def oldest(files: LogFiles, path: Path) -> None:
    with files.opening(path):
        files.open_oldest()


def test_it_begins_with_the_oldest_file_and_ends_with_the_newest(
    files: LogFiles, path: Path
) -> None:
    write(path, 1, 2)
    rotate(path)
    squeeze(path)
    write(path, 3)
    rotate(path)
    write(path, 4, 5)
    oldest(files, path)
    assert numbers(rest_of(files)) == [1, 2, 3, 4, 5]


@pytest.mark.fault(10)
@pytest.mark.parametrize("compress", [False, True])
def test_files_that_were_noticed_are_read_when_they_are_long_removed(
    files: LogFiles, path: Path, compress: bool
) -> None:
    write(path, 0)
    oldest(files, path)
    for number in range(1, 20):
        rotate(path, keep=3)
        write(path, number)
        assert files.look()
        if compress:
            squeeze(path)
    assert numbers(rest_of(files)) == list(range(20))


def test_a_file_that_nobody_noticed_in_time_is_a_loss_and_not_a_guess(
    files: LogFiles, path: Path
) -> None:
    write(path, 0)
    oldest(files, path)
    for number in range(1, 4):
        rotate(path, keep=3)
        write(path, number)
    with pytest.raises(Lost):
        files.look()
    assert numbers(rest_of(files)) == [0]


def test_no_more_files_are_held_than_may_be_and_the_others_are_found_later(
    files: LogFiles, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_HELD", 3)
    before = descriptors()
    write(path, 0)
    oldest(files, path)
    for number in range(1, 10):
        rotate(path, keep=50)
        write(path, number)
        files.look()
        assert descriptors() <= before + 4
    assert numbers(rest_of(files)) == list(range(10))


def test_between_two_names_it_looks_again(files: LogFiles, path: Path) -> None:
    write(path, 0)
    oldest(files, path)
    path.rename(f"{path}.1")
    assert not files.look()
    write(path, 1)
    assert files.look()
    assert numbers(rest_of(files)) == [0, 1]


@pytest.mark.parametrize("regrown", [False, True])
def test_a_truncated_file_is_noticed_however_long_it_is_by_then(
    files: LogFiles, path: Path, regrown: bool
) -> None:
    write(path, *range(10))
    oldest(files, path)
    while files.current.read():
        pass
    os.truncate(path, 0)
    write(path, *range(100, 150 if regrown else 102))
    with pytest.raises(FileTruncated):
        files.current.read()
    with pytest.raises(FileTruncated):
        assert files.current.read_cached() is None  # nothing is taken on trust
        files.current.read()


def place_in(path: Path, offset: int) -> FilePlace:
    data = path.read_bytes()[:offset]
    return FilePlace(path.stat().st_ino, offset, 0, seal_of(data))


def test_a_place_is_found_again_under_another_name(files: LogFiles, path: Path) -> None:
    write(path, 0, 1, 2)
    place = place_in(path, len(path.read_bytes().splitlines(keepends=True)[0]))
    for number in range(3, 6):
        rotate(path)
        write(path, number)
    with files.opening(path):
        assert files.open_at(place)
    assert numbers(rest_of(files)) == [1, 2, 3, 4, 5]


def test_a_place_in_a_file_that_holds_something_else_is_none(files: LogFiles, path: Path) -> None:
    write(path, 0, 1, 2)
    place = place_in(path, path.stat().st_size)
    os.truncate(path, 0)
    write(path, 5, 6, 7, 8)
    with files.opening(path):
        assert not files.open_at(place)
        os.truncate(path, 0)
        assert not files.open_at(place)


def test_what_is_wanted_from_a_time_on_is_not_searched_for_from_the_beginning(
    files: LogFiles, path: Path
) -> None:
    hundredth = 10**7
    write(path, *range(0, 1000 * hundredth, hundredth))
    rotate(path)
    write(path, *range(1000 * hundredth, 30_000 * hundredth, hundredth))
    with files.opening(path):
        files.open_since(at(20_000 * hundredth).encode())
    found = [number // hundredth for number in numbers(rest_of(files))]
    assert 1000 < found[0] < 20_000
    assert found == list(range(found[0], 30_000))


def test_one_that_was_given_up_while_it_was_opened_is_closed(files: LogFiles, path: Path) -> None:
    write(path, 0)
    before = descriptors()
    with files.opening(path):
        files.close()
        files.open_oldest()
    assert descriptors() == before


def test_a_page_that_is_not_in_memory_is_not_taken_for_the_end(files: LogFiles, path: Path) -> None:
    """The bytes before it may be, and are read together with it."""
    write(path, *range(1000))
    data = path.read_bytes()
    oldest(files, path)
    current = files.current
    os.fsync(current.descriptor)
    for page in range(4096, len(data), 4096):
        current.seek(page, data[page - SEAL : page])
        os.posix_fadvise(current.descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.posix_fadvise(current.descriptor, 0, 0, os.POSIX_FADV_RANDOM)
        os.pread(current.descriptor, SEAL, page - SEAL)
        found = current.read_cached()
        assert found != b""
        assert data[page:].startswith(found or current.read())
