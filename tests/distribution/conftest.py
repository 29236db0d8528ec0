"""What `make dist` makes, built once, and the agent that comes out of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from distribution import deb
from distribution.interpreters import ROOT


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the source distribution and all wheels."""
    return _built(tmp_path_factory.mktemp("dist"), "wheels")


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Debian's package."""
    if problem := deb.why_not():
        pytest.skip(problem)
    (file,) = _built(tmp_path_factory.mktemp("deb"), "deb").glob("*.deb")
    return file


def _built(folder: Path, only: str) -> Path:
    command = [sys.executable, "-m", "distribution", "--to", folder, "--only", only]
    subprocess.run(command, cwd=ROOT, check=True, timeout=500)
    return folder
