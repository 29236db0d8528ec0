"""Each row of the table in `docs/delivery.md` names tests that show it, and every sink has one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipeline.component import registry

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/delivery.md").read_text()
TABLE = re.search(r"^\| sink \|(?:.*\n)\|---.*\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
SOURCES = re.search(r"^\| source \|(?:.*\n)\|---.*\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
ROWS = {row.split(" | ")[0].removeprefix("| "): row for row in TABLE[1].splitlines()}  # type: ignore[index]
NAMED = re.compile(r"\[`(test_\w+)`\]\((\S+?)\)")


@pytest.mark.parametrize("sink", ROWS)
def test_each_row_is_whole_and_names_its_tests_which_are_there(sink: str) -> None:
    assert ROWS[sink].count(" | ") == 5
    named = NAMED.findall(ROWS[sink].rpartition(" | ")[2])
    assert named
    assert [(name, path) for name, path in named if not _has(path, name)] == []


@pytest.mark.parametrize("row", SOURCES[1].splitlines())  # type: ignore[index]
def test_each_row_of_a_source_names_its_tests_which_are_there(row: str) -> None:
    assert row.count(" | ") == 5
    named = NAMED.findall(row)
    assert named
    assert [(name, path) for name, path in named if not _has(path, name)] == []


@pytest.mark.parametrize("sink", registry.names("sinks"))
def test_every_sink_has_a_row(sink: str) -> None:
    assert any(f"`{sink}`" in row for row in ROWS)


def test_each_test_of_delivery_is_named() -> None:
    there = {
        name
        for file in (ROOT / "tests/delivery").glob("test_*.py")
        for name in re.findall(r"^(?:async )?def (test_\w+)", file.read_text(), re.MULTILINE)
    }
    assert there - {name for name, _ in NAMED.findall(PAGE)} == set()


def _has(path: str, name: str) -> bool:
    file = ROOT / "docs" / path
    found = rf"^(?:async )?def {name}\("
    return file.is_file() and re.search(found, file.read_text(), re.MULTILINE) is not None
