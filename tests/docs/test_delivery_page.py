"""Each row in `docs/reference/delivery.md` names the files that show it; every sink has one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipeline.model import registry

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/reference/delivery.md").read_text()
HEADER = r"^\| {} \|(?:.*\n)\|---.*\n((?:\|.*\n)+)"
SINKS = re.findall(HEADER.format("sink"), PAGE, re.MULTILINE)
SOURCES = re.findall(HEADER.format("source"), PAGE, re.MULTILINE)
ROWS = [row for table in (*SINKS, *SOURCES) for row in table.splitlines()]
FILE = re.compile(r"\]\(\.\./\.\./((?:tests|pipeline/testing)/[^)]*)\)")


def _of(row: str) -> str:
    """What the row is about: its first cell."""
    return row.removeprefix("| ").partition(" | ")[0]


def test_the_tables_are_found() -> None:
    assert (len(SINKS), len(SOURCES)) == (1, 2)


@pytest.mark.parametrize("row", ROWS, ids=_of)
def test_each_row_is_whole_and_names_the_files_that_show_it(row: str) -> None:
    assert row.count(" | ") == 5
    assert FILE.findall(row.rpartition(" | ")[2])


def test_all_files_that_are_named_are_there() -> None:
    assert [file for file in FILE.findall(PAGE) if not (ROOT / file).is_file()] == []


@pytest.mark.parametrize("sink", registry.names("sinks"))
def test_every_sink_has_a_row(sink: str) -> None:
    assert any(f"`{sink}`" in _of(row) for row in SINKS[0].splitlines())


def test_each_file_of_the_tests_of_delivery_is_named() -> None:
    files = (ROOT / "tests/delivery").rglob("test_*.py")
    assert {file.relative_to(ROOT).as_posix() for file in files} <= set(FILE.findall(PAGE))
