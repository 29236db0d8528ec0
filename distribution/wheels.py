"""The source distribution, and out of it the wheels.

Wheels with the loops in C: one for each Python that is here, and one for all others, which uses the
limited API. And one without, for hosts where none of these runs, such as Alpine.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from distribution.interpreters import ROOT, Interpreter
from distribution.manylinux import platform
from distribution.retag import retag

_BUILD = "import sys, hatchling.build as b; print(getattr(b, 'build_' + sys.argv[1])(sys.argv[2]))"


class Builder:
    """Builds into the folder `target`. `tools`: a folder with what builds (see `tools`)."""

    def __init__(self, target: Path, tools: Path) -> None:
        self._target = target
        self._tools = tools

    def into(self, target: Path) -> Builder:
        """The same for another folder."""
        return Builder(target, self._tools)

    def sdist(self) -> Path:
        return self._build("sdist", Path(sys.executable), ROOT, self._target)

    def wheel(self, tree: Path, python: Path, native: str) -> Path:
        """One wheel, of the unpacked source distribution `tree`.

        `native`: "1" with the extension for that Python, "abi3" with one for any, "0" without.
        Raises `CalledProcessError` if it cannot be built, and `NotPortable`.
        """
        with tempfile.TemporaryDirectory() as folder:
            built = self._build("wheel", python, tree, Path(folder), DOCKLINE_NATIVE=native)
            if native != "0":
                with zipfile.ZipFile(built) as archive:
                    names = [name for name in archive.namelist() if name.endswith(".so")]
                    libraries = [Path(archive.extract(name, folder)) for name in names]
                machine = built.stem.rpartition("-linux_")[2]
                built = retag(built, platform(libraries, machine))
            target = self._target / built.name
            target.write_bytes(built.read_bytes())
            return target

    def _build(self, kind: str, python: Path, tree: Path, target: Path, **environment: str) -> Path:
        built = subprocess.run(
            [python, "-c", _BUILD, kind, target],
            cwd=tree,
            env={
                **os.environ,
                "PYTHONPATH": str(self._tools),
                "PYTHONDONTWRITEBYTECODE": "1",
                "SOURCE_DATE_EPOCH": source_date(),
                **environment,
            },
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return target / built.stdout.splitlines()[-1]


@contextmanager
def tools() -> Iterator[Path]:
    """A folder with hatchling and what it needs, all in Python, as pinned."""
    with tempfile.TemporaryDirectory(prefix="dockline-tools-") as folder:
        pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet")
        wanted = ("--require-hashes", "--requirement", ROOT / "constraints-build.txt")
        subprocess.run([*pip, "--target", folder, *wanted], check=True)
        yield Path(folder)


@contextmanager
def unpacked(sdist: Path) -> Iterator[Path]:
    """Its tree, in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="dockline-sdist-") as folder:
        with tarfile.open(sdist) as archive:
            archive.extractall(folder, filter="data")
        yield Path(folder, sdist.name.removesuffix(".tar.gz"))


def source_date() -> str:
    """Seconds since the epoch for all files: when the commit was made, so that a build can be
    repeated to the byte. `SOURCE_DATE_EPOCH` in the environment overrules it."""
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return given
    asked = ["git", "log", "-1", "--format=%ct"]
    said = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False)
    return said.stdout.strip() or "1577836800"  # hatchling's own: 2020


def of_all(builder: Builder, tree: Path, pythons: list[Interpreter]) -> Iterator[Path]:
    """Wheels for these Pythons, for any other, and for where none of them runs."""
    for python in pythons:
        yield builder.wheel(tree, python.program, "1")
    if pythons:
        yield builder.wheel(tree, pythons[0].program, "abi3")
    yield builder.wheel(tree, Path(sys.executable), "0")
