"""How large a container's labels may be: they are kept while it is in use, and most sinks write
them with each of its entries."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

MOST_LABELS: Final = 256 << 10
"""Bytes of one container's labels, by `size_of`. Further ones are left out."""


def size_of(labels: Mapping[str, str]) -> int:
    """Bytes of labels as JSON writes them: a control character is one in memory, and six there."""
    text = json.dumps(dict(labels), ensure_ascii=False, separators=(",", ":"))
    return len(text.encode("utf-8", "surrogatepass")) - 2


def within_limit(labels: Mapping[str, str]) -> Mapping[str, str]:
    """All labels, or as many as fit. Those that dockline obeys come first, then those of Compose
    and Swarm, then all others by name; so the same labels always leave out the same ones."""
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
