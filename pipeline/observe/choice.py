"""Chooses containers by what a user writes: shell patterns of names, or how an id begins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from pipeline.model import plain
from pipeline.topology.tap import any_of

SHORTEST: Final = 6
"""Digits of an id that a container can be chosen by, at least."""


def choice(patterns: Sequence[str]) -> Callable[[str, str], bool]:
    """A function that tells from a container's name and id whether one of these patterns chooses
    it. Without patterns, every container is chosen.

    Names are compared as they are shown, on one line.
    """
    name_matches = any_of(patterns).match
    ids = tuple(pattern for pattern in patterns if len(pattern) >= SHORTEST)

    def is_chosen(name: str, container_id: str) -> bool:
        return bool(name_matches(plain.name(name))) or container_id.startswith(ids)

    return is_chosen
