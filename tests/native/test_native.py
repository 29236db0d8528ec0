"""Which loops run is chosen when the agent starts."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from pipeline import native

NAME = "pipeline.native._loops"


def test_the_environment_may_choose_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKLINE_NATIVE", "0")
    assert native._load() == (None, "loops in Python, since DOCKLINE_NATIVE=0 is set")


def test_without_an_extension_python_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DOCKLINE_NATIVE", raising=False)
    monkeypatch.setitem(sys.modules, NAME, None)
    assert native._load() == (None, "loops in Python: there is no C extension")


@pytest.mark.parametrize(("interface", "used"), [(native.INTERFACE, True), (0, False)])
def test_an_extension_of_another_version_is_not_used(
    monkeypatch: pytest.MonkeyPatch, interface: int, used: bool
) -> None:
    monkeypatch.delenv("DOCKLINE_NATIVE", raising=False)
    built = ModuleType(NAME)
    built.INTERFACE = interface  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, NAME, built)
    found, described = native._load()
    assert (found is built) is used
    assert described == (
        "loops in C" if used else "loops in Python: the C extension is of another version"
    )
