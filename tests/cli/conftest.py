"""What the tests of the command line share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.servers.certificates import authority, stranger

__all__ = ["authority", "stranger"]

Write = Callable[[str], str]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration, and no colour, from the machine that the tests run on."""
    for name in ("DOCKLINE_CONFIG", "DOCKLINE_TOKEN", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent on a busy machine may take its time to answer."""
    monkeypatch.setattr("pipeline.cli._agent.TIMEOUT", 60.0)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a configuration, and gives its path."""

    def to_file(text: str) -> str:
        file = tmp_path / "dockline.toml"
        file.write_text(text)
        return str(file)

    return to_file
