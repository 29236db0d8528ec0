"""The package is built with the C extension where it can be, and installs and runs without it."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.server

ROOT = Path(__file__).parents[2]
EXTENSION = "pipeline/native/_loops" + sysconfig.get_config_var("EXT_SUFFIX")
NO_COMPILER = {"CC": "/nowhere/cc", "PATH": "/nowhere"}


def wheel(to: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Builds one in `to`, which holds no other."""
    build = f"import hatchling.build as b; b.build_wheel({str(to)!r})"
    return subprocess.run(
        [sys.executable, "-c", build],
        cwd=ROOT,
        env={**os.environ, "DOCKLINE_NATIVE": "", **environment},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def files_of(folder: Path) -> list[str]:
    (file,) = folder.glob("*.whl")
    with zipfile.ZipFile(file) as archive:
        return archive.namelist()


def loops_of(folder: Path, where: Path) -> str:
    """What the agent of the wheel in `folder`, installed in an environment of its own, says of its
    loops; and it reads a row. What it depends on is ours."""
    venv.create(where, with_pip=False)
    (site,) = (where / "lib").glob("python3*/site-packages")
    (file,) = folder.glob("*.whl")
    pip = f"{sys.executable} -m pip --python {where} --disable-pip-version-check"
    command = [*pip.split(), "install", "--quiet", "--no-deps", "--no-index", str(file)]
    subprocess.run(command, check=True, timeout=200)
    (site / "ours.pth").write_text(sysconfig.get_path("purelib"))
    program = (
        "import pipeline; from pipeline import native;"
        "from pipeline.sources.docker.decode.rows import RowDecoder;"
        f"assert pipeline.__file__.startswith({str(where)!r}), pipeline.__file__;"
        'row = b\'{"log":"a\\\\n","stream":"stdout","time":"2026-01-31T23:59:59Z"}\\n\';'
        "assert RowDecoder(99).feed(row).lines == [b'a'];"
        "print(native.described)"
    )
    hidden = ("DOCKLINE_NATIVE", "PYTHONPATH")
    environment = {name: os.environ[name] for name in os.environ if name not in hidden}
    command = [str(where / "bin/python"), "-c", program]
    return subprocess.check_output(command, env=environment, text=True, cwd=where, timeout=200)


def test_with_a_compiler_the_wheel_is_of_one_platform_and_runs_in_c(tmp_path: Path) -> None:
    built = wheel(tmp_path, DOCKLINE_NATIVE="1")
    if "no C compiler" in built.stderr or "headers are not" in built.stderr:
        pytest.skip("no compiler or no headers: install gcc, libc6-dev and python3-dev")
    assert built.returncode == 0, built.stderr
    files = files_of(tmp_path)
    assert EXTENSION in files
    assert not [name for name in files if name.endswith((".c", ".h"))]
    assert not list(tmp_path.glob("*-any.whl"))
    assert loops_of(tmp_path, tmp_path / "venv") == "loops in C\n"


def test_one_extension_may_be_for_every_python(tmp_path: Path) -> None:
    built = wheel(tmp_path, DOCKLINE_NATIVE="abi3")
    if "no C compiler" in built.stderr or "headers are not" in built.stderr:
        pytest.skip("no compiler or no headers: install gcc, libc6-dev and python3-dev")
    assert built.returncode == 0, built.stderr
    assert "pipeline/native/_loops.abi3.so" in files_of(tmp_path)
    assert list(tmp_path.glob("*-cp311-abi3-linux_*.whl"))
    assert loops_of(tmp_path, tmp_path / "venv") == "loops in C\n"


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({"DOCKLINE_NATIVE": "0"}, "the package was built without C (DOCKLINE_NATIVE=0)"),
        (NO_COMPILER, "there was no C compiler (Debian: gcc and libc6-dev)"),
    ],
)
def test_without_one_or_when_told_so_it_is_pure_runs_in_python_and_knows_why(
    tmp_path: Path, environment: dict[str, str], reason: str
) -> None:
    built = wheel(tmp_path, **environment)
    assert built.returncode == 0, built.stderr
    assert ("built without its C extension" in built.stderr) is (environment is NO_COMPILER)
    assert list(tmp_path.glob("*-py3-none-any.whl"))
    assert not [name for name in files_of(tmp_path) if name.endswith((".so", ".c", ".h"))]
    assert loops_of(tmp_path, tmp_path / "venv") == f"loops in Python: {reason}\n"


@pytest.mark.parametrize("wanted", ["1", "abi3"])
def test_what_was_demanded_and_cannot_be_built_is_an_error(tmp_path: Path, wanted: str) -> None:
    built = wheel(tmp_path, DOCKLINE_NATIVE=wanted, **NO_COMPILER)
    assert built.returncode
    assert "Traceback" not in built.stderr
    assert "there was no C compiler (Debian: gcc and libc6-dev)" in built.stderr
    assert not list(tmp_path.glob("*.whl"))


def test_a_compiler_that_fails_leaves_the_package_pure(tmp_path: Path) -> None:
    built = wheel(tmp_path, CC="false")
    assert built.returncode == 0, built.stderr
    assert list(tmp_path.glob("*-py3-none-any.whl"))
    reason = "the C compiler false ended with 1"
    assert f"built without its C extension: {reason}\n" in built.stderr
    assert loops_of(tmp_path, tmp_path / "venv") == f"loops in Python: {reason}\n"
