"""Containers on the real Engine, and what was said of the gaps in their logs."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest

from pipeline.testing.private_engine import PrivateEngine


class Start(Protocol):
    def __call__(self, script: str, *options: str) -> str: ...


@pytest.fixture
def start(engine: PrivateEngine, busybox: str) -> Iterator[Start]:
    """Starts a container that runs a script, and gives its name."""
    names: list[str] = []

    def start(script: str, *options: str) -> str:
        name = f"test-{secrets.token_hex(4)}"
        names.append(name)
        engine.docker(
            "run", "--detach", "--network", "none", "--name", name, *options, busybox,
            "sh", "-c", script,
        )  # fmt: skip
        return name

    yield start
    for name in names:
        engine.docker("rm", "--force", name)


@pytest.fixture
def log_file(engine: PrivateEngine) -> Callable[[str], Path]:
    """The json-file of the container of a name."""
    return lambda name: Path(engine.docker("inspect", "--format", "{{.LogPath}}", name))


@pytest.fixture
def reported(caplog: pytest.LogCaptureFixture) -> Callable[[str], list[tuple[str, str]]]:
    """From when to when lines of a container were said to be missing, each time they were."""

    def reported(name: str) -> list[tuple[str, str]]:
        pattern = rf"logs of {name}: lines between (.+) and (.+) may be lost"
        said = (re.match(pattern, record.getMessage()) for record in caplog.records)
        return [(found[1], found[2]) for found in said if found]

    return reported
