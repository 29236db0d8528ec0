"""docs/guides/install.md has the extras and the files that there are."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/guides/install.md").read_text()
README = (ROOT / "distribution/debian/README.Debian").read_text()


def section(title: str) -> str:
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_every_extra_is_there() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    rows = re.findall(r"^\| `(\w+)` \|", section("Extras"), re.MULTILINE)
    assert sorted(rows) == sorted(project["optional-dependencies"])


def test_every_place_of_the_debian_package_is_one_of_the_units_or_its_files() -> None:
    unit = (ROOT / "distribution/debian/dockline.service").read_text()
    places = re.findall(r"^\| `(/[\w./]+)` \|", section("Debian and Ubuntu"), re.MULTILINE)
    assert len(places) == 5
    assert "StateDirectory=dockline\n" in unit
    assert "LogsDirectory=dockline\n" in unit
    assert "EnvironmentFile=-/etc/default/dockline\n" in unit
    conffiles = (ROOT / "distribution/deb.py").read_text()
    assert '"/etc/dockline/dockline.toml\\n"' in conffiles


def test_what_the_page_allows_the_unit_is_what_the_package_says() -> None:
    (allowed,) = re.findall(r"```ini\n(.*?)```", section("Debian and Ubuntu"), re.DOTALL)
    assert allowed.splitlines()[1:] == re.findall(r"^ +(\w+=CAP_DAC_READ_SEARCH)$", README, re.M)


def test_nothing_has_to_be_replaced_by_the_reader() -> None:
    for page in (PAGE, (ROOT / "README.md").read_text()):
        assert "git clone" not in page
