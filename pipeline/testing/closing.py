"""Closes an asyncio server without losing a connection."""

from __future__ import annotations

import asyncio

_TURNS = 10
"""Turns of the event loop: more than pass between accepting a connection and serving it."""


async def close(server: asyncio.Server) -> None:
    """Stops accepting connections, and serves those that were accepted.

    With `Server.close` alone, a connection accepted in the same turn of the event loop is never
    closed: its transport is made after that, and nobody owns it (CPython 3.11 to 3.13).
    """
    loop = asyncio.get_running_loop()
    for sock in server.sockets:
        loop.remove_reader(sock.fileno())
    for _ in range(_TURNS):
        await asyncio.sleep(0)
    server.close()
