"""A server that ends leaves no connection behind that it has accepted."""

from __future__ import annotations

import asyncio
import gc
import socket

import pytest

from pipeline.testing.closing import close
from tests.suite.waiting import until


@pytest.mark.parametrize("turns", range(5))
async def test_what_was_accepted_in_the_last_moment_is_served_and_closed(turns: int) -> None:
    """An unclosed transport would be said when it is collected, and fail the test."""
    served: set[asyncio.Task[None] | None] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.add(asyncio.current_task())
        await reader.read()
        writer.close()

    for _ in range(20):
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        with socket.create_connection(server.sockets[0].getsockname()):
            for _ in range(turns):
                await asyncio.sleep(0)
            await close(server)
        await until(lambda: all(task and task.done() for task in served))
    gc.collect()
