"""What a crash of the host leaves on a disk."""

from __future__ import annotations

from random import Random

import pytest

from tests.simulation.world.disk import SECTOR, Disk, File


def crashed(disk: Disk) -> Disk:
    disk.crash()
    return disk


def content(disk: Disk, path: str) -> bytes | None:
    try:
        file = disk.find(path)
    except FileNotFoundError:
        return None
    assert isinstance(file, File)
    return bytes(file.data)


def disk(seed: int) -> Disk:
    made = Disk(Random(seed))
    made.make("/a").write(0, b"old")
    made.find("/a").sync()
    made.root.sync()
    return made


def test_what_was_forced_to_it_stays() -> None:
    for seed in range(50):
        one = disk(seed)
        one.find("/a").write(3, b" and new")  # type: ignore[union-attr]
        one.find("/a").sync()
        assert content(crashed(one), "/a") == b"old and new"


def test_what_was_not_may_be_there_or_not_or_in_part() -> None:
    left = set()
    for seed in range(300):
        one = disk(seed)
        one.find("/a").write(3, b"x" * 4 * SECTOR)  # type: ignore[union-attr]
        left.add(len(content(crashed(one), "/a") or b"") - 3)
    assert {0, 4 * SECTOR} < left <= {number * SECTOR for number in range(5)}


def test_of_two_writes_the_later_one_alone_may_be_there() -> None:
    left = set()
    for seed in range(300):
        one = disk(seed)
        file = one.find("/a")
        assert isinstance(file, File)
        file.write(3, b"1" * SECTOR)
        file.write(3 + SECTOR, b"2" * SECTOR)
        left.add(content(crashed(one), "/a"))
    assert b"old" + bytes(SECTOR) + b"2" * SECTOR in left


@pytest.mark.parametrize("forced", [True, False])
def test_a_new_name_is_safe_once_its_folder_is(forced: bool) -> None:
    names = set()
    for seed in range(100):
        one = disk(seed)
        one.make("/new").sync()
        one.rename("/new", "/a")
        if forced:
            one.root.sync()
        names.add(content(crashed(one), "/a"))
    assert names == ({b""} if forced else {b"", b"old"})


def test_a_kill_of_a_process_loses_nothing() -> None:
    one = disk(1)
    one.find("/a").write(3, b" and new")  # type: ignore[union-attr]
    assert content(one, "/a") == b"old and new"
