"""The constraint files pin all that pyproject.toml asks for, and tie nobody to a package index."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
GROUPS = PROJECT["dependency-groups"]
EXTRAS = PROJECT["project"]["optional-dependencies"]
SHIPPED = [
    one for extra, those in EXTRAS.items() if extra not in ("all", "parquet") for one in those
]


def pinned(file: str) -> dict[str, str]:
    """Version of each distribution, for lines that carry at least one hash."""
    text = (ROOT / file).read_text()
    found = re.findall(r"^([\w.-]+)==(\S+)[^\n]*\\\n    --hash=sha256:", text, re.MULTILINE)
    assert len(found) == len(re.findall(r"^\w", text, re.MULTILINE)), "a line without a hash"
    return dict(found)


def asked(requirements: list[str | dict[str, str]]) -> set[str]:
    names = (re.match(r"[\w.-]+", line) for line in requirements if isinstance(line, str))
    return {name[0] for name in names if name}


@pytest.mark.parametrize(
    ("file", "requirements"),
    [
        ("constraints.txt", PROJECT["project"]["dependencies"]),
        ("constraints-all.txt", PROJECT["project"]["dependencies"] + SHIPPED),
        ("constraints-build.txt", GROUPS["build"]),
        ("constraints-docs.txt", GROUPS["docs"]),
        ("constraints-dev.txt", GROUPS["dev"] + GROUPS["build"]),
    ],
)
def test_every_requirement_is_pinned_with_hashes(
    file: str, requirements: list[str | dict[str, str]]
) -> None:
    assert asked(requirements) <= pinned(file).keys(), "run `make lock`"


@pytest.mark.parametrize("file", ["constraints-all.txt", "constraints-dev.txt"])
def test_everybody_uses_the_very_versions_that_are_shipped(file: str) -> None:
    assert pinned("constraints.txt").items() <= pinned(file).items()
    assert file == "constraints-all.txt" or (
        pinned("constraints-all.txt").items() <= pinned(file).items()
    )


def test_the_extra_all_names_every_other_that_the_image_carries() -> None:
    (all_of_them,) = EXTRAS["all"]
    named = set(all_of_them.removeprefix("dockline[").removesuffix("]").split(","))
    assert named == EXTRAS.keys() - {"all", "parquet"}


@pytest.mark.parametrize("file", sorted(path.name for path in ROOT.glob("constraints*.txt")))
def test_no_package_index_and_no_path_is_named(file: str) -> None:
    for line in (ROOT / file).read_text().splitlines():
        assert not re.search(r"://|--(extra-)?index|--find-links|@ |/\w+/", line), line
