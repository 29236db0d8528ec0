"""Which loops run is chosen when the agent starts."""

from __future__ import annotations

import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from types import ModuleType

import pytest

from pipeline import native

NAME = "pipeline.native._loops"
OTHER = "the C extension is of another version"


def test_the_environment_may_choose_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKLINE_NATIVE", "0")
    assert native._load() == (None, "loops in Python, since DOCKLINE_NATIVE=0 is set", None)


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where the package is, without an extension."""
    monkeypatch.delenv("DOCKLINE_NATIVE", raising=False)
    monkeypatch.delitem(sys.modules, NAME, raising=False)
    monkeypatch.setattr(native, "__path__", [str(tmp_path)])
    monkeypatch.setattr(native, "__file__", str(tmp_path / "__init__.py"))
    return tmp_path


def test_without_an_extension_python_runs(folder: Path) -> None:
    problem = "there is no C extension"
    assert native._load() == (None, f"loops in Python: {problem}", problem)


def test_it_knows_why_the_build_has_made_none(folder: Path) -> None:
    (folder / "not_built.txt").write_text("there was no C compiler\n")
    assert native._load()[1:] == (
        "loops in Python: there was no C compiler",
        "there was no C compiler",
    )


def test_one_for_another_python_is_named(folder: Path) -> None:
    (folder / "_loops.cpython-399-x86_64-linux-gnu.so").touch()
    assert native._load()[2] == (
        "the C extension is for another Python (cpython-399-x86_64-linux-gnu.so)"
    )


def test_one_that_does_not_load_says_what_the_loader_said(folder: Path) -> None:
    (folder / f"_loops{EXTENSION_SUFFIXES[0]}").write_bytes(b"no ELF")
    loops, _, problem = native._load()
    assert loops is None
    assert problem
    assert problem.startswith("it does not load: ")
    assert "_loops" in problem


@pytest.mark.parametrize(("interface", "problem"), [(native.INTERFACE, None), (0, OTHER)])
def test_an_extension_of_another_version_is_not_used(
    monkeypatch: pytest.MonkeyPatch, interface: int, problem: str | None
) -> None:
    monkeypatch.delenv("DOCKLINE_NATIVE", raising=False)
    built = ModuleType(NAME)
    built.INTERFACE = interface  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, NAME, built)
    described = f"loops in Python: {problem}" if problem else "loops in C"
    assert native._load() == (None if problem else built, described, problem)
