"""Which user's program listens on a port of this host.

A token must not be sent to another user's program, which may have taken the port while the agent
was away.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
"""Linux' tables of sockets, see proc(5). Other systems have none."""
_LISTENS = "0A"


def users(port: int) -> set[int]:
    """The ids of the users whose programs listen on a TCP port of this host.

    Empty when that is unknown: on a system without these tables, or when the port is forwarded.
    """
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
