"""Limits for a container's labels: they are in memory while it is in use, and most sinks write them
with each of its entries."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

MOST_LABELS: Final = 256 << 10
"""Limit in bytes for one container's labels, by `size_of`. Further labels are left out."""


def size_of(labels: Mapping[str, str]) -> int:
    """Bytes of labels when written as JSON, where a control character takes six bytes instead of
    one."""
    text = json.dumps(dict(labels), ensure_ascii=False, separators=(",", ":"))
    return len(text.encode("utf-8", "surrogatepass")) - 2


def within_limit(labels: Mapping[str, str]) -> Mapping[str, str]:
    """All labels, or as many as fit into `MOST_LABELS`.

    Labels of dockline come first, then those of Compose and Swarm, then all others by name. So the
    same labels always leave out the same ones.
    """
    if size_of(labels) <= MOST_LABELS:
        return labels
    kept: dict[str, str] = {}
    left = MOST_LABELS
    for name in sorted(labels, key=_rank):
        size = size_of({name: labels[name]}) + 1
        if size <= left:
            kept[name] = labels[name]
            left -= size
    return kept


def _rank(name: str) -> tuple[int, str]:
    firsts = ("dockline.", "com.docker.")
    return next((at for at, first in enumerate(firsts) if name.startswith(first)), 2), name
