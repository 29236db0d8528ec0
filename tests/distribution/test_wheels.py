"""The wheels and the source distribution are installed with each Python, and run."""

from __future__ import annotations

import os
import platform
import subprocess
import tarfile
import zipfile
from functools import cache
from pathlib import Path

import pytest

from distribution.interpreters import ROOT, Interpreter, find, supported
from distribution.wheels import Builder, tools, unpacked
from pipeline import __version__
from pipeline.testing.private_engine import PrivateEngine
from tests.distribution.running import run

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("distribution")]

ANY = f"dockline-{__version__}-py3-none-any.whl"
HERE = [version for version in supported() if isinstance(find(version), Interpreter)]
MACHINE = platform.machine()


def exact(version: str) -> str:
    tag = f"cp{version.replace('.', '')}"
    return f"dockline-{__version__}-{tag}-{tag}-manylinux_2_17_{MACHINE}.whl"


def test_there_is_one_for_each_python_here_one_for_others_and_one_without_c(wheels: Path) -> None:
    assert {path.name for path in wheels.iterdir()} == {
        f"dockline-{__version__}.tar.gz",
        *map(exact, HERE),
        f"dockline-{__version__}-cp311-abi3-manylinux_2_17_{MACHINE}.whl",
        ANY,
    }


def test_all_hold_the_same_but_the_extension(wheels: Path) -> None:
    names = {}
    for wheel in wheels.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            assert archive.testzip() is None
            names[wheel.name] = set(archive.namelist())
    pure = names.pop(ANY)
    assert "pipeline/native/not_built.txt" in pure
    for name, files in names.items():
        (extension,) = files - pure
        assert extension.startswith("pipeline/native/_loops."), name
        assert pure - files == {"pipeline/native/not_built.txt"}


def test_the_source_distribution_holds_what_builds_it_and_no_tests(wheels: Path) -> None:
    with tarfile.open(wheels / f"dockline-{__version__}.tar.gz") as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"hatch_build.py", "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md"} <= names
    assert {"pipeline/native/module.c", "pipeline/native/native.h"} <= names
    assert {name.partition("/")[0] for name in names if "/" in name} == {"pipeline", "config"}
    assert not [name for name in names if name.endswith((".so", ".pyc", "not_built.txt"))]


def test_what_is_built_again_has_the_same_bytes(wheels: Path, tmp_path: Path) -> None:
    found = find(HERE[0])
    assert isinstance(found, Interpreter)
    with tools() as folder:
        builder = Builder(tmp_path, folder)
        with unpacked(builder.sdist()) as tree:
            builder.wheel(tree, found.program, "1")
    again = list(tmp_path.iterdir())
    assert len(again) == 2
    for path in again:
        assert path.read_bytes() == (wheels / path.name).read_bytes(), path.name


# ------------------------------------------------------------------------------ installed


@cache
def program(version: str) -> Path:
    found = find(version)
    assert isinstance(found, Interpreter)
    return found.program


@pytest.fixture(scope="module", params=HERE)
def venv(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment of each Python with what the agent depends on, as pinned."""
    folder = tmp_path_factory.mktemp(f"python{request.param}")
    subprocess.run([program(request.param), "-m", "venv", folder], check=True)
    pip(folder, "--require-hashes", "--requirement", ROOT / "constraints.txt")
    return folder


def pip(venv: Path, *arguments: str | Path, **environment: str) -> None:
    options = ("--quiet", "--disable-pip-version-check", "--force-reinstall")
    command = [venv / "bin/python", "-m", "pip", "install", *options, *arguments]
    subprocess.run(command, check=True, timeout=300, env={**os.environ, **environment})


def version_of(venv: Path) -> str:
    said = subprocess.check_output(
        [venv / "bin/dockline", "--version"], text=True, cwd=venv, env={"PATH": os.environ["PATH"]}
    )
    return said.strip()


def test_pip_takes_the_wheel_of_that_python_and_the_agent_runs(
    wheels: Path, venv: Path, engine: PrivateEngine, busybox: str, tmp_path: Path
) -> None:
    pip(venv, "--no-deps", "--no-index", "--find-links", wheels, "dockline")
    assert version_of(venv) == f"dockline {__version__} (loops in C)"
    (extension,) = venv.glob("lib/*/site-packages/pipeline/native/_loops.*.so")
    assert extension.name.startswith("_loops.cpython-3")
    said = run(venv / "bin/dockline", engine, tmp_path / "run")
    assert f" dockline {__version__}, Python 3." in said
    assert "loops in C; configuration " in said


def test_that_for_other_pythons_runs_in_c_too(
    wheels: Path, venv: Path, engine: PrivateEngine, busybox: str, tmp_path: Path
) -> None:
    (wheel,) = wheels.glob("*-abi3-*.whl")
    pip(venv, "--no-deps", "--no-index", wheel)
    assert version_of(venv) == f"dockline {__version__} (loops in C)"
    (extension,) = venv.glob("lib/*/site-packages/pipeline/native/_loops.*.so")
    assert extension.name == "_loops.abi3.so"
    run(venv / "bin/dockline", engine, tmp_path / "run")


def test_that_without_c_runs_and_says_once_what_it_is(
    wheels: Path, venv: Path, engine: PrivateEngine, busybox: str, tmp_path: Path
) -> None:
    pip(venv, "--no-deps", "--no-index", wheels / ANY)
    reason = "the package was built without C (DOCKLINE_NATIVE=0)"
    assert version_of(venv) == f"dockline {__version__} (loops in Python: {reason})"
    said = run(venv / "bin/dockline", engine, tmp_path / "run")
    assert "loops in Python; configuration " in said
    assert said.count(reason) == 1


@pytest.mark.parametrize(
    ("environment", "loops"),
    [
        ({}, "loops in C"),
        (
            {"CC": "/nowhere/cc", "PATH": "/nowhere"},
            "loops in Python: there was no C compiler (Debian: gcc and libc6-dev)",
        ),
    ],
)
def test_the_source_distribution_builds_as_users_build_it(
    wheels: Path, venv: Path, environment: dict[str, str], loops: str
) -> None:
    sdist = wheels / f"dockline-{__version__}.tar.gz"
    pip(venv, "--no-deps", "--no-cache-dir", sdist, **environment)
    assert version_of(venv) == f"dockline {__version__} ({loops})"
