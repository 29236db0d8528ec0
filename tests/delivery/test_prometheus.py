"""The prometheus sink: what was sent can be scraped, and a scrape that breaks takes nothing."""

from __future__ import annotations

import asyncio
import socket
import struct

from aiohttp import ClientSession

from pipeline.model.component import SinkContext
from pipeline.model.container import Container
from pipeline.sinks.prometheus import Config, Prometheus
from pipeline.sources.docker.stats import stats_batch
from tests.sources.docker.answers import answer, reading

REQUEST = b"GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n"


async def test_a_scrape_that_breaks_takes_nothing_from_the_next() -> None:
    sink = Prometheus(Config(type="prometheus", listen="127.0.0.1:0"), SinkContext("exporter"))
    await sink.open()
    try:
        shown = [Container(f"{number:064x}", f"c-{number}", "image", {}) for number in range(300)]
        await sink.send(sink.encode([stats_batch(reading(answer("v1"), c), 1) for c in shown]))
        host, _, port = sink.address.rpartition(":")
        await _break(host, int(port))
        async with ClientSession() as client, client.get(f"http://{sink.address}/metrics") as page:
            text = await page.text()
    finally:
        await sink.close()
    assert all(f'name="{container.name}"' in text for container in shown)


async def _break(host: str, port: int) -> None:
    """Resets the connection when a part of the page has come."""
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(REQUEST)
    assert (await reader.read(100)).startswith(b"HTTP/1.1 200")
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()
