"""Builds the C extension in pipeline/native where there are a compiler and Python's headers.

Without it the package is pure: the same loops run in Python, and cost more. Then the reason is in
pipeline/native/not_built.txt, so that the agent can say it. `DOCKLINE_NATIVE` in the environment
chooses: `0` builds without it, `1` fails where it cannot be built, `abi3` fails likewise and builds
it for any Python from 3.11 on, which is a little slower than one for the Python that builds it.
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
REASON = "not_built.txt"
# Without NDEBUG Python's own macros check what was checked before, and carry the sources' path.
FLAGS = (
    *("-std=c11", "-O3", "-DNDEBUG", "-fPIC", "-shared"),
    *("-Wall", "-Wextra", "-fvisibility=hidden"),
)
LIMITED = "-DPy_LIMITED_API=0x030B0000"
TIMEOUT = 300


class CannotBuild(Exception):
    """Its text is one line, for users. `output` is what the compiler said."""

    def __init__(self, reason: str, output: str = "") -> None:
        super().__init__(reason)
        self.output = output


class CustomBuildHook(BuildHookInterface):
    """For a wheel: the extension goes into it, which then is for one platform. An editable install
    has it beside its sources."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        wanted = os.environ.get("DOCKLINE_NATIVE", "")
        sources = Path(self.root, FOLDER)
        abi3 = wanted == "abi3"
        file = NAME + (".abi3.so" if abi3 else sysconfig.get_config_var("EXT_SUFFIX"))
        editable = version == "editable"
        if editable:
            for left in (file, REASON):
                (sources / left).unlink(missing_ok=True)
        self._folder = tempfile.TemporaryDirectory()
        where = sources if editable else Path(self._folder.name)
        try:
            if wanted == "0":
                raise CannotBuild("the package was built without C (DOCKLINE_NATIVE=0)")
            build(sources, where / file, *([LIMITED] if abi3 else []))
        except CannotBuild as error:
            if wanted in ("1", "abi3"):
                raise SystemExit(f"dockline: no C extension: {error}\n{error.output}") from None
            if wanted != "0":
                self.app.display_warning(f"dockline is built without its C extension: {error}")
                self.app.display_warning(error.output)
            file = REASON
            (where / file).write_text(f"{error}\n")
        if editable:
            return
        build_data["force_include"][str(where / file)] = f"{FOLDER}/{file}"
        if file != REASON:
            build_data["pure_python"] = False
            build_data["infer_tag"] = not abi3
            if abi3:
                build_data["tag"] = f"cp311-abi3-{_platform()}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if folder := getattr(self, "_folder", None):
            folder.cleanup()


def build(sources: Path, target: Path, *flags: str) -> None:
    """Compiles the C files of a folder into one extension. Raises `CannotBuild`."""
    include = sysconfig.get_path("include")
    if not Path(include, "Python.h").exists():
        raise CannotBuild(f"Python's headers are not in {include} (Debian: python3-dev)")
    # Under another name until it is whole: an agent that runs may have the old one open.
    partial = target.with_suffix(f".{os.getpid()}")
    files = sorted(map(str, sources.glob("*.c")))
    command = [*_compiler(), *FLAGS, *flags, f"-I{include}", *files, "-o", str(partial)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotBuild(f"the C compiler {command[0]} does not run: {error}") from error
    if done.returncode:
        partial.unlink(missing_ok=True)
        reason = f"the C compiler {command[0]} ended with {done.returncode}"
        raise CannotBuild(reason, f"{shlex.join(command)}\n{done.stderr}")
    partial.replace(target)


def _compiler() -> list[str]:
    """That of the environment, else the one that Python was built with, else the machine's."""
    for named in (os.environ.get("CC"), sysconfig.get_config_var("CC"), "cc", "gcc", "clang"):
        command = shlex.split(named or "")
        if command and shutil.which(command[0]):
            return command
    raise CannotBuild("there was no C compiler (Debian: gcc and libc6-dev)")


def _platform() -> str:
    return sysconfig.get_platform().replace("-", "_").replace(".", "_")
