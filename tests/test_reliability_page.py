"""`docs/reliability.md` names every fault, and tests that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/reliability.md").read_text()
ROWS = {
    int(number): row
    for row, number in re.findall(r"^(\| (\d+) \| .*)$", PAGE, re.MULTILINE)
    if row.count(" | ") == 3
}
NAMED = re.findall(r"\[`(test_\w+)`\]\((\S+?)\)", PAGE)


def test_every_fault_has_a_row() -> None:
    assert list(ROWS) == list(range(1, 41))


@pytest.mark.parametrize("number", ROWS)
def test_each_has_a_test(number: int) -> None:
    assert "[`test_" in ROWS[number]


def test_every_test_that_is_named_is_there() -> None:
    missing = [(name, path) for name, path in NAMED if not _has(path, name)]
    assert missing == []
    assert len(NAMED) > 100


def test_each_test_of_the_fault_suite_is_named() -> None:
    named = {name for name, _ in NAMED}
    there = {
        name
        for file in (ROOT / "tests/faults").glob("test_*.py")
        for name in re.findall(r"^(?:async )?def (test_\w+)", file.read_text(), re.MULTILINE)
    }
    assert there - named == set()


def _has(path: str, name: str) -> bool:
    file = ROOT / "docs" / path
    return (
        file.is_file()
        and re.search(rf"^ *(?:async )?def {name}\(", file.read_text(), re.MULTILINE) is not None
    )
