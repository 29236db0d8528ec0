"""The Pythons on this machine that an extension can be built for."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
_ASK = """
import json, os, sys, sysconfig
print(json.dumps([
    sys.implementation.name, "%d.%d" % sys.version_info[:2],
    os.path.exists(sysconfig.get_path("include") + "/Python.h"),
    bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
]))
"""


class Interpreter(NamedTuple):
    version: str
    """Such as `3.13`."""
    program: Path


def supported() -> list[str]:
    """The versions of Python that pyproject.toml names, such as `3.13`, oldest first."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found = re.findall(r"Python :: (3\.\d+)", "\n".join(project["classifiers"]))
    return sorted(found, key=lambda version: int(version.partition(".")[2]))


def find(version: str) -> Interpreter | str:
    """A CPython of that version with its headers, or why there is none."""
    problem = f"there is no python{version}"
    for program in _candidates(version):
        try:
            said = subprocess.check_output(
                [program, "-Ic", _ASK], text=True, stderr=subprocess.DEVNULL, timeout=60
            )
            name, found, headers, free_threaded = json.loads(said)
        except (OSError, ValueError, subprocess.SubprocessError):
            continue
        if (name, found, free_threaded) != ("cpython", version, False):
            continue
        if headers:
            return Interpreter(version, program)
        problem = f"{program} has no headers (Debian: python{version}-dev)"
    return problem


def _candidates(version: str) -> Iterator[Path]:
    """Where one may be: on the path, in Debian's place, with uv, and with pyenv."""
    name = f"python{version}"
    for place in (None, "/usr/local/bin:/usr/bin"):
        if program := shutil.which(name, path=place):
            yield Path(program)
    if uv := shutil.which("uv"):
        asked = [uv, "python", "find", "--system", "--no-python-downloads", version]
        found = subprocess.run(asked, capture_output=True, text=True, check=False)
        if found.returncode == 0:
            yield Path(found.stdout.strip())
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from sorted(pyenv.glob(f"versions/{version}.*/bin/{name}"), reverse=True)
