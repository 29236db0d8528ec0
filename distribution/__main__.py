"""`make dist`: builds all that can be built here into a folder, and names what cannot."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from distribution import deb, interpreters, wheels
from distribution.manylinux import NotPortable

KINDS = ("wheels", "deb")


def main() -> int:
    """The exit status: 0, or 1 if something that should be built cannot."""
    parser = argparse.ArgumentParser(prog="python -m distribution", description=__doc__)
    parser.add_argument("--to", type=Path, default=interpreters.ROOT / "dist", metavar="FOLDER")
    parser.add_argument("--only", choices=KINDS, help="beside the source distribution")
    args = parser.parse_args()
    args.to.mkdir(parents=True, exist_ok=True)
    left: list[str] = []
    try:
        with wheels.tools() as tools:
            builder = wheels.Builder(args.to, tools)
            sdist = builder.sdist()
            _say(sdist)
            with wheels.unpacked(sdist) as tree:
                if args.only != "deb":
                    _build_wheels(builder, tree, left)
                if args.only != "wheels":
                    _build_deb(builder, tree, args.to, left)
    except (NotPortable, OSError, subprocess.CalledProcessError) as error:
        print(f"dist: {error}", file=sys.stderr)
        return 1
    for one in left:
        print(f"dist: not built: {one}", file=sys.stderr)
    return 0


def _build_wheels(builder: wheels.Builder, tree: Path, left: list[str]) -> None:
    """Adds to `left` what cannot be built, and why."""
    pythons = []
    for version in interpreters.supported():
        found = interpreters.find(version)
        if isinstance(found, str):
            left.append(f"a wheel for Python {version} alone: {found}")
        else:
            pythons.append(found)
    if not pythons:
        left.append("a wheel for any Python in C: no Python here has its headers")
    for wheel in wheels.of_all(builder, tree, pythons):
        _say(wheel)


def _build_deb(builder: wheels.Builder, tree: Path, target: Path, left: list[str]) -> None:
    """Adds to `left` why it cannot be built."""
    if problem := deb.why_not():
        left.append(f"Debian's package: {problem}")
    else:
        _say(deb.build(builder, tree, target))


def _say(file: Path) -> None:
    print(f"{file.stat().st_size / 1e6:6.1f} MB  {file}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
