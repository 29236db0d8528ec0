"""The other tests of this folder pass under AddressSanitizer and UndefinedBehaviorSanitizer: no
byte is read or written that is not theirs."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SANITIZED = (
    "-std=c11", "-O1", "-g", "-fPIC", "-shared", "-fno-omit-frame-pointer",
    "-fsanitize=address,undefined", "-fno-sanitize-recover=all",
)  # fmt: skip


LIMITED = "-DPy_LIMITED_API=0x030B0000"
"""For the extension that any Python can load (see `hatch_build.py`)."""


@pytest.mark.server
@pytest.mark.parametrize("flags", [(), pytest.param((LIMITED,), marks=pytest.mark.slow)])
def test_no_byte_is_touched_that_is_not_theirs(tmp_path: Path, flags: tuple[str, ...]) -> None:
    library = _library("libasan.so")
    extension = tmp_path / "_loops.so"
    sources = sorted(map(str, (ROOT / "pipeline/native").glob("*.c")))
    include = "-I" + sysconfig.get_path("include")
    command = ["gcc", *SANITIZED, *flags, include, *sources, "-o", str(extension)]
    subprocess.run(command, check=True, timeout=120)
    environment = {
        **os.environ,
        "EXTENSION": str(extension),
        "LD_PRELOAD": library,
        "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=0",  # the interpreter leaks at its end
        "PYTHONMALLOC": "malloc",  # so that what is beside an object is nobody's
    }
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/native",
         "--ignore", "tests/native/test_sanitized.py"],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]


def _library(name: str) -> str:
    try:
        found = subprocess.check_output(["gcc", "-print-file-name=" + name], text=True).strip()
    except FileNotFoundError:
        pytest.skip("there is no `gcc`: install gcc and libc6-dev")
    if not Path(found).is_absolute():
        pytest.skip(f"there is no {name}: install gcc")
    return found
