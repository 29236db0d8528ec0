"""Finds every string of a configuration."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from pipeline.config.locate import Path

_LEFT_OUT: Final = ("routes", "tests")
"""Tables with expressions, patterns and lines, whose keys are names of fields and labels, not
settings."""


def strings(tree: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Every string of the configuration with its path, but those of routes and tests.

    `tree`: the tables; a part of them with its `path`.
    """
    if isinstance(tree, dict):
        for key, inner in tree.items():
            if path or key not in _LEFT_OUT:
                yield from strings(inner, (*path, key))
    elif isinstance(tree, list):
        for index, inner in enumerate(tree):
            yield from strings(inner, (*path, index))
    elif isinstance(tree, str):
        yield path, tree
