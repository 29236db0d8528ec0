"""Writes the generated files, or checks them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from pipeline.config import schema
from pipeline.reference import command_line, markdown, metrics, sample

FILES: dict[str, Callable[[], str]] = {
    "docs/reference/settings.md": markdown.render,
    "docs/reference/metrics.md": metrics.render,
    "docs/reference/command-line.md": command_line.render,
    "config/reference.toml": sample.render,
    "config/schema.json": schema.render,
}
"""Each generated file, from the repository's root, and what makes its text."""


def stale(root: Path) -> list[str]:
    """The generated files that are not what they should be."""
    return [
        name
        for name, render in FILES.items()
        if not (root / name).exists() or (root / name).read_text() != render()
    ]


def main(arguments: list[str]) -> int:
    root = Path()
    old = stale(root)
    if arguments == ["--check"]:
        for name in old:
            print(f"{name} is stale: run python -m pipeline.reference", file=sys.stderr)
        return 1 if old else 0
    for name in old:
        (root / name).write_text(FILES[name]())
        print(f"wrote {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
