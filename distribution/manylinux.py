"""What a shared library needs of the host that it runs on, and the tag of a wheel that has it.

PEP 600: a wheel for `manylinux_2_17_x86_64` runs on every Linux of that processor with glibc 2.17
or newer. So its libraries need no newer symbols, and no libraries but those that every host has.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

OLDEST = (2, 17)
"""The oldest glibc that is worth a name: that of manylinux2014."""
EVERYWHERE = {
    *("libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1"),
    *("ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"),
}
"""Those of glibc. PEP 600 allows some more, which nothing here needs."""


class NotPortable(Exception):
    """The library does not run on every Linux with glibc."""


class Needs(NamedTuple):
    libraries: frozenset[str]
    """Their names, such as `libc.so.6`."""
    glibc: tuple[int, int]
    """The newest version of glibc whose symbols it asks for; `(0, 0)` for none."""


def needs(library: Path) -> Needs:
    """Raises `CalledProcessError` if it is no ELF file."""
    said = subprocess.check_output(
        ["readelf", "--wide", "--dynamic", "--version-info", library],
        text=True,
        env={**os.environ, "LC_ALL": "C"},
        stderr=subprocess.STDOUT,
    )
    libraries = frozenset(re.findall(r"\(NEEDED\).*\[(.+)\]", said))
    needed = said.partition("Version needs section")[2]
    versions = re.findall(r"Name: GLIBC_(\d+)\.(\d+)", needed)
    newest = max(((int(major), int(minor)) for major, minor in versions), default=(0, 0))
    return Needs(libraries, newest)


def platform(libraries: list[Path], machine: str) -> str:
    """The tag for a wheel with these libraries, such as `manylinux_2_17_x86_64`.

    Raises `NotPortable` if one needs a library that not every host has.
    """
    glibc = OLDEST
    for library in libraries:
        wants = needs(library)
        if beyond := wants.libraries - EVERYWHERE:
            raise NotPortable(f"{library.name} needs {', '.join(sorted(beyond))}")
        glibc = max(glibc, wants.glibc)
    return f"manylinux_{glibc[0]}_{glibc[1]}_{machine}"
