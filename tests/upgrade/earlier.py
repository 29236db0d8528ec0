"""The tree of an earlier commit, and what its commands print differently."""

from __future__ import annotations

import difflib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
NATIVE = Path("pipeline/native")


def unpack(commit: str, folder: Path) -> str:
    """Puts the files of a commit into a new folder, with the C extension if this tree has it. Says
    where that comes from. Raises `CalledProcessError`."""
    folder.mkdir()
    archive = ["git", "archive", f"{commit}^{{commit}}"]
    files = subprocess.run(archive, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
    subprocess.run(["tar", "-x"], cwd=folder, input=files, check=True)
    built = list((ROOT / NATIVE).glob("*.so"))
    if not built:
        return "no C extension, as this tree has none"
    if _sources(folder) == _sources(ROOT):
        shutil.copy(built[0], folder / NATIVE)
        return "the C extension of this tree, whose sources are the same"
    build = f"build(Path('{NATIVE}'), Path('{NATIVE / built[0].name}'))"
    script = f"from hatch_build import *; {build}"
    subprocess.run([sys.executable, "-c", script], cwd=folder, check=True)
    return "a C extension of its own"


def _sources(tree: Path) -> dict[str, bytes]:
    files = [tree / "hatch_build.py", *(tree / NATIVE).glob("*.[ch]")]
    return {file.name: file.read_bytes() for file in files}


def differences(earlier: Path) -> Iterator[tuple[str, list[str]]]:
    """Of `dockline schema`, and of `dockline check` for each file in `config/`: the command, and
    the lines that both trees print differently."""
    files = sorted((ROOT / "config").rglob("*.toml"))
    for command in (["schema"], *(["check", "--config", str(file)] for file in files)):
        old, new = (_printed(tree, *command) for tree in (earlier, ROOT))
        lines = difflib.unified_diff(old, new, "old", "new", n=0, lineterm="")
        if old != new:
            yield " ".join(command), list(lines)


def _printed(tree: Path, *command: str) -> list[str]:
    """Lines of both outputs, and the exit status."""
    done = dockline(tree, *command)
    return [*done.stdout.splitlines(), f"exit status {done.returncode}"]


def dockline(tree: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Runs a command of `tree` to its end; standard error goes to its standard output."""
    return subprocess.run(
        [sys.executable, "-m", "pipeline", *command], cwd=tree, text=True, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120,
    )  # fmt: skip
