"""Builds the extension in pipeline/native where there is a compiler and Python's headers.

Where there is not, the package is pure: it does the same with the loops in Python, and costs more.
`DOCKLINE_NATIVE=0` in the environment builds without, `DOCKLINE_NATIVE=1` fails where it cannot
build with.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FOLDER = "pipeline/native"
NAME = "_loops"
FLAGS = ("-std=c11", "-O3", "-fPIC", "-shared", "-Wall", "-Wextra", "-fvisibility=hidden")
TIMEOUT = 300


class CannotBuild(Exception):
    pass


class CustomBuildHook(BuildHookInterface):
    """For a wheel: the extension goes into it, which then is for one platform. An editable install
    has it beside its sources."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        wanted = os.environ.get("DOCKLINE_NATIVE", "")
        sources = Path(self.root, FOLDER)
        file = NAME + sysconfig.get_config_var("EXT_SUFFIX")
        editable = version == "editable"
        if editable:
            (sources / file).unlink(missing_ok=True)
        if wanted == "0":
            return
        self._folder = tempfile.TemporaryDirectory()
        built = (sources if editable else Path(self._folder.name)) / file
        try:
            build(sources, built)
        except CannotBuild as error:
            if wanted == "1":
                raise
            self.app.display_warning(f"dockline is built without its C extension: {error}")
            return
        if not editable:
            build_data["force_include"][str(built)] = f"{FOLDER}/{file}"
            build_data["pure_python"] = False
            build_data["infer_tag"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if folder := getattr(self, "_folder", None):
            folder.cleanup()


def build(sources: Path, target: Path) -> None:
    """Compiles the C files of a folder into one extension. Raises `CannotBuild`."""
    include = sysconfig.get_path("include")
    if not Path(include, "Python.h").exists():
        raise CannotBuild(f"Python's headers are not in {include} (Debian: python3-dev)")
    # Under another name until it is whole: an agent that runs may have the old one open.
    partial = target.with_suffix(f".{os.getpid()}")
    files = sorted(map(str, sources.glob("*.c")))
    command = [*_compiler(), *FLAGS, f"-I{include}", *files, "-o", str(partial)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    if done.returncode:
        partial.unlink(missing_ok=True)
        raise CannotBuild(f"{shlex.join(command)} ended with {done.returncode}:\n{done.stderr}")
    partial.replace(target)


def _compiler() -> list[str]:
    """That of the environment, else the one that Python was built with, else the machine's."""
    for named in (os.environ.get("CC"), sysconfig.get_config_var("CC"), "cc", "gcc", "clang"):
        command = shlex.split(named or "")
        if command and shutil.which(command[0]):
            return command
    raise CannotBuild("there is no C compiler (Debian: gcc and libc6-dev)")
