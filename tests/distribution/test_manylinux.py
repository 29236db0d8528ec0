"""A library's needs become the tag of its wheel."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from distribution.manylinux import Needs, NotPortable, needs, platform

pytestmark = pytest.mark.server

OLD = (
    "unsigned long f(const char *s); unsigned long f(const char *s) { return __builtin_strlen(s); }"
)
NEW = "unsigned arc4random(void); unsigned g(void); unsigned g(void) { return arc4random(); }"
"""glibc has it since 2.36."""


def library(folder: Path, code: str, *flags: str) -> Path:
    for command in ("gcc", "readelf"):
        if not shutil.which(command):
            pytest.skip(f"there is no `{command}`: install gcc and libc6-dev")
    target = folder / f"{abs(hash((code, flags)))}.so"
    command = ["gcc", "-shared", "-fPIC", "-x", "c", "-", "-o", target, *flags]
    subprocess.run(command, input=code, text=True, check=True)
    return target


def test_one_that_needs_little_runs_everywhere(tmp_path: Path) -> None:
    made = library(tmp_path, OLD)
    assert needs(made).libraries == {"libc.so.6"}
    assert needs(made).glibc < (2, 17)
    assert platform([made], "x86_64") == "manylinux_2_17_x86_64"


def test_the_newest_symbol_of_all_libraries_decides(tmp_path: Path) -> None:
    both = [library(tmp_path, OLD), library(tmp_path, NEW)]
    assert needs(both[1]) == Needs(frozenset({"libc.so.6"}), (2, 36))
    assert platform(both, "x86_64") == "manylinux_2_36_x86_64"


def test_a_library_that_not_every_host_has_is_refused(tmp_path: Path) -> None:
    made = library(tmp_path, OLD, "-Wl,--no-as-needed", "-lresolv")
    with pytest.raises(NotPortable, match=r"needs libresolv\.so\.2$"):
        platform([made], "x86_64")


def test_what_is_no_library_is_an_error(tmp_path: Path) -> None:
    if not shutil.which("readelf"):
        pytest.skip("there is no `readelf`: install gcc and libc6-dev")
    (tmp_path / "text.so").write_text("no ELF" + os.linesep)
    with pytest.raises(subprocess.CalledProcessError):
        needs(tmp_path / "text.so")
