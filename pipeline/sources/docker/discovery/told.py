"""Which containers are followed, in a sentence for the agent's log."""

from __future__ import annotations

from collections.abc import Collection

from pipeline.support.plural import plural

NAMED = 10
"""Containers that are named."""


def following(names: Collection[str], others: int) -> str:
    """`names`: of the containers that are followed. `others`: how many that run are not."""
    count = len(names)
    said = f"following {count} {plural(count, 'container')}"
    if names:
        said += f": {', '.join(sorted(names)[:NAMED])}"
    if count > NAMED:
        said += f" and {count - NAMED} more"
    if others:
        said += f"; {others} {plural(others, 'other is', 'others are')} not selected"
    return said
