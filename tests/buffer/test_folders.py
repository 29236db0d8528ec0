"""Which folder is whose, and which is nobody's."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.buffer.folders import folder_of, orphans
from tests.buffer.spools import numbered, opened, segments, write


def test_a_sinks_folder_has_its_name() -> None:
    folder = folder_of(Path("/var/lib/dockline"), "logstash-2")
    assert folder == Path("/var/lib/dockline/spools/logstash-2")


@pytest.mark.parametrize("name", ["..", ".", ".hidden", "a/b", "/etc", "é ü", "100%", "a\0b", "A"])
def test_any_name_stays_inside_and_can_be_told_apart(tmp_path: Path, name: str) -> None:
    folder = folder_of(tmp_path, name)
    assert folder.resolve().parent == tmp_path / "spools"
    write(folder, numbered(0))
    write(folder_of(tmp_path, "other"), numbered(0))
    assert orphans(tmp_path, ["other"]).keys() == {name}


def test_what_a_sink_that_is_gone_has_left_is_found(tmp_path: Path) -> None:
    for name in ("kept", "renamed"):
        write(folder_of(tmp_path, name), numbered(0, 5))
    with opened(folder_of(tmp_path, "empty")):
        pass
    (tmp_path / "spools" / "notes.txt").write_text("of somebody else")
    (left,) = segments(folder_of(tmp_path, "renamed"))
    assert orphans(tmp_path, ["kept"]) == {"renamed": left.stat().st_size}


def test_without_spools_there_is_nothing_left(tmp_path: Path) -> None:
    assert orphans(tmp_path, ["a"]) == {}
