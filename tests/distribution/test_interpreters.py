"""Pythons are found where they usually are, and what is missing is named."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest

from distribution.interpreters import ROOT, Interpreter, find, supported

HERE = "{}.{}".format(*sys.version_info[:2])


def test_all_versions_that_the_package_names_are_supported() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == f">={supported()[0]}"
    assert supported()[0] == "3.11"
    assert HERE in supported()


@pytest.mark.server
def test_a_version_that_is_here_is_found() -> None:
    found = find(HERE)
    if isinstance(found, str):
        pytest.skip(f"{found}: install python3-dev")
    assert found.version == HERE
    assert found.program.exists()


def test_one_that_is_nowhere_is_named() -> None:
    assert find("3.99") == "there is no python3.99"


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path / "python3.99"


@pytest.mark.server
@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ('["cpython", "3.99", false, false]', "{} has no headers (Debian: python3.99-dev)"),
        ('["pypy", "3.99", true, false]', "there is no python3.99"),
        ('["cpython", "3.99", true, true]', "there is no python3.99"),
        ('["cpython", "3.11", true, false]', "there is no python3.99"),
        ("command not found", "there is no python3.99"),
    ],
)
def test_one_that_cannot_be_built_for_says_why(program: Path, answer: str, problem: str) -> None:
    program.write_text(f"#!/bin/sh\necho '{answer}'\n")
    program.chmod(0o755)
    assert find("3.99") == problem.format(program)


@pytest.mark.server
def test_pyenv_is_looked_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "versions/3.99.1/bin/python3.99"
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\necho \'["cpython", "3.99", true, false]\'\n')
    program.chmod(0o755)
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    assert find("3.99") == Interpreter("3.99", program)
