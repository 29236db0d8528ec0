"""Three real nats-servers that keep streams together, on free ports of the loopback."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from nats.aio.client import Client

from tests.servers.daemon import Daemon, eventually
from tests.servers.nats import NatsServer
from tests.servers.ports import free_port

_CLUSTER = """\
server_name: "{name}"
cluster {{ name: "tests", listen: "127.0.0.1:{port}", routes: [{routes}] }}
"""


class NatsCluster:
    """Each server keeps its streams and its ports over restarts: `kill`, then `start`."""

    def __init__(self, directory: Path) -> None:
        ports = [free_port() for _ in range(3)]
        routes = ", ".join(f'"nats://127.0.0.1:{port}"' for port in ports)
        self.servers = {
            f"n{number}": NatsServer(
                directory / f"n{number}",
                more=_CLUSTER.format(name=f"n{number}", port=port, routes=routes),
            )
            for number, port in enumerate(ports, 1)
        }

    @property
    def urls(self) -> list[str]:
        return [one.url for one in self.servers.values()]

    def __enter__(self) -> Self:
        for one in self.servers.values():
            Daemon.start(one)  # none of them is healthy alone
        for one in self.servers.values():
            eventually("all servers of the cluster are healthy", one.healthy)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for one in self.servers.values():
            one.kill()

    async def client(self) -> Client:
        client = Client()
        await client.connect(self.urls, allow_reconnect=False, connect_timeout=5)
        return client

    async def ask(self, api: str, body: object = None) -> dict[str, Any]:
        """What JetStream's API answers, asked until it does: it has no leader for a while."""
        async with asyncio.timeout(60):
            while True:
                try:
                    client = await self.client()
                    payload = b"" if body is None else json.dumps(body).encode()
                    answer = await client.request(f"$JS.API.{api}", payload, timeout=3)
                    await client.close()
                    found: dict[str, Any] = json.loads(answer.data)
                except Exception:
                    await asyncio.sleep(0.2)
                    continue
                if "error" not in found or found["error"]["code"] not in (503, 500):
                    return found
                await asyncio.sleep(0.2)

    async def leader(self, api: str) -> str:
        """The server that leads what `STREAM.INFO.name` or `CONSUMER.INFO.stream.name` is of."""
        async with asyncio.timeout(60):
            while not (name := (await self.ask(api)).get("cluster", {}).get("leader")):
                await asyncio.sleep(0.2)
        return str(name)
