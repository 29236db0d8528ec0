"""Demos at the same time have folders of their own, and leave none."""

from __future__ import annotations

from pathlib import Path

from demo.folder import folder


def test_each_of_several_demos_has_a_folder_which_is_gone_afterwards(tmp_path: Path) -> None:
    with folder(tmp_path) as first, folder(tmp_path) as second:
        assert (first.name, second.name) == (".demo", ".demo-2")
        (first / "state").mkdir()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_demo_has_left_is_used_and_removed(tmp_path: Path) -> None:
    (tmp_path / ".demo" / "state").mkdir(parents=True)
    (tmp_path / ".demo" / "lock").touch()
    with folder(tmp_path) as path:
        assert path.name == ".demo"
        assert not (path / "state").exists()
        assert path.stat().st_mode & 0o777 == 0o700
    assert not path.exists()
