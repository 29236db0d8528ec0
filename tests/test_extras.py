"""A library that is not installed is asked for by the name of what installs it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from pipeline.errors import ConfigError
from pipeline.extras import needed


def test_what_is_installed_is_given() -> None:
    assert needed("json", "anything").loads("[1]") == [1]


def test_what_is_not_is_named_with_the_command_that_installs_it() -> None:
    with pytest.raises(ConfigError) as raised:
        needed("nobody_has_this.inside", "kafka")
    assert str(raised.value) == (
        "kafka needs the Python package nobody_has_this, which is not installed: "
        "pip install 'dockline[kafka]' (the image has it)"
    )


def test_a_part_of_a_component_may_be_what_needs_it() -> None:
    with pytest.raises(ConfigError, match='compression = "zstd" needs the Python package'):
        needed("nobody_has_this", "http", 'compression = "zstd"')


def test_every_extra_that_is_asked_for_exists_and_every_other_is_not_there() -> None:
    root = Path(__file__).parent.parent
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    sources = "".join(path.read_text() for path in root.glob("pipeline/**/*.py"))
    asked = set(re.findall(r'needed\(\s*"[\w.]+",\s*"(\w+)"', sources))
    assert asked == project["optional-dependencies"].keys() - {"all"}
