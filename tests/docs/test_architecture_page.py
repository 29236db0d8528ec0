"""`docs/explain/architecture.md` fits three screens, and names rooms and modules that there are."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/explain/architecture.md").read_text()
PACKAGE = ROOT / "pipeline"


def section(title: str) -> str:
    _, _, rest = PAGE.partition(f"\n## {title}\n")
    return rest.partition("\n## ")[0]


def rows(text: str) -> list[list[str]]:
    table = re.findall(r"^\| (.*) \|$", text, re.MULTILINE)
    return [[cell.strip() for cell in row.split(" | ")] for row in table[1:]]


def test_it_has_at_most_fifteen_nouns_and_fits_three_screens() -> None:
    assert 10 <= len(rows(section("Nouns"))) <= 15
    assert len(PAGE.splitlines()) <= 150


def test_every_noun_is_defined_where_it_says() -> None:
    for noun, _, place in rows(section("Nouns")):
        name, path = noun.strip("`"), PACKAGE / place.strip("`")
        files = list(path.glob("*.py")) if path.is_dir() else [path.with_suffix(".py")]
        found = any(re.search(rf"^class \w*{name}\b", f.read_text(), re.MULTILINE) for f in files)
        assert found, f"{noun} is not in {place}"


def test_the_picture_has_every_room_and_no_other() -> None:
    picture = section("Rooms").split("```")[1]
    cells = [cell for line in picture.splitlines() for cell in re.split(r"\s{2,}", line.strip())]
    drawn = {cell for cell in cells if re.fullmatch(r"[a-z]+", cell)}
    there = {file.parent.name for file in PACKAGE.glob("*/__init__.py")}
    assert drawn == there - {"testing"}


def test_every_module_that_is_named_is_there() -> None:
    text = section("One line's way") + section("What to change where")
    named = {name for row in rows(text) for name in re.findall(r"`([^`]+)`", " ".join(row))}
    modules = {name for name in named if re.fullmatch(r"[a-z_…/0-9]+/[a-z_0-9]*", name)}
    assert len(modules) > 25
    for name in modules:
        tail = name.removeprefix("…/").rstrip("/")
        found = [*PACKAGE.glob(f"**/{tail}.py"), *PACKAGE.glob(f"**/{tail}")]
        assert found, f"there is no {name}"
