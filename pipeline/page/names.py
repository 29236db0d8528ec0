"""Names as the page shows them. Labels and senders may make them as long as they like."""

from __future__ import annotations

from typing import Final

from pipeline.model import plain

LONGEST: Final = 255
"""Characters of a name in an answer. Linux allows 64 for a host, senders 4096, and a container's
labels have 256 KiB, all of which would be in each line of `/api/now`."""


def shown(name: str) -> str:
    """A name as it is answered: on one line, and not longer than `LONGEST`."""
    return plain.name(name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…")
