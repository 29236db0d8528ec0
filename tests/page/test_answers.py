"""Answers to clients that do not read them."""

from __future__ import annotations

import asyncio
import socket

import pytest
from aiohttp import web

from pipeline.observe.server import Server
from pipeline.page import answers
from pipeline.page.answers import sent

SIZE = 64 << 20
"""Bytes that no socket's buffers take."""


async def test_a_client_that_does_not_read_its_answer_is_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(answers, "SEND_SECONDS", 0.1)
    done = asyncio.Event()

    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            return await sent(request, web.Response(body=bytes(SIZE)))
        finally:
            done.set()

    server = Server("127.0.0.1:0", [web.get("/", handle)])
    await server.start()
    try:
        with socket.create_connection(server.address.rsplit(":", 1)) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await asyncio.wait_for(done.wait(), 60)
            assert await asyncio.to_thread(_all, client) < SIZE
    finally:
        await server.close()


def _all(client: socket.socket) -> int:
    """How many bytes come until the connection ends."""
    count = 0
    try:
        while part := client.recv(1 << 20):
            count += len(part)
    except ConnectionError:
        pass
    return count
