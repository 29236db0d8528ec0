"""Whose program it is that listens on a port of this host: a token is not for another user's, which
may have taken the port while the agent was away."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
"""What Linux tells of sockets, proc(5). Elsewhere nothing is known."""
_LISTENS = "0A"


def users(port: int) -> set[int]:
    """Ids of the users whose programs listen on a port here; none where that cannot be told, as of
    a port that leads elsewhere."""
    return {user for table in TABLES for found, user in _listening(table) if found == port}


def _listening(table: Path) -> Iterator[tuple[int, int]]:
    """Port and user of each socket that listens."""
    try:
        rows = table.read_text().splitlines()[1:]
    except OSError:
        return
    for row in rows:
        _, local, _, state, _, _, _, user, *_ = row.split()
        if state == _LISTENS:
            yield int(local.rpartition(":")[2], 16), int(user)
