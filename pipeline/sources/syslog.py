"""Syslog over UDP, TCP or TLS, from senders outside of containers: hosts, routers, programs.

```toml
[sources.hosts]
type = "syslog"
listen = "udp://0.0.0.0:514"              # without it, this host alone: udp://127.0.0.1:514

[sources.secure]
type = "syslog"
listen = "tls://0.0.0.0"                  # port 6514
tls = { cert = "/certs/cert.pem", key = "/certs/key.pem", client_ca = "/certs/clients.pem" }
```

- **Messages** are RFC 5424 or RFC 3164, with its common variations. Fields are `facility`,
  `severity` (which sets the entry's level), `appname`, `procid`, `msgid` and `structured_data`; the
  message is the text after them. A message in another format is kept as a whole. A time without a
  zone is local, one without a year is in the nearest year; a missing time is that of reading.
- **Container**: the sender's host and application take the place of a container: `container.name`
  is the application, `host.name` the host in the message, or else the sender's address. The
  `event.dataset` is `syslog.logs`; there is no `container.runtime` and no `container.image`.
- **Framing** over TCP and TLS is octet counting or LF (RFC 6587), detected from the first byte of a
  connection.
- **No acknowledgements**: syslog has none. While the sinks are full, connections are not read, so
  that senders wait; datagrams are dropped by the kernel, which counts them:
  `dockline_source_refused_messages_total{reason="dropped"}`. A process that is killed loses what it
  has read and not delivered; `buffer.disk` keeps that short.
- **Limits** apply to connections, the length of a message (a longer line is cut and marked, a
  longer octet count closes the connection), incomplete messages, and silence.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Annotated, ClassVar

import msgspec

from pipeline.model.component import (
    Duration,
    Intake,
    Size,
    Source,
    SourceConfig,
    SourceContext,
    Taken,
)
from pipeline.parsing.syslog_columns import columns
from pipeline.parsing.syslog_frames import SyslogFrameError, SyslogFrames
from pipeline.transport.net.accepted import AcceptedConnection
from pipeline.transport.net.address import peer_name
from pipeline.transport.net.listen import ListenTLSConfig, listen_address
from pipeline.transport.net.tcp_server import TcpServer
from pipeline.transport.net.udp_server import UdpServer

PORTS: dict[str, int | None] = {"udp": 514, "tcp": 514, "tls": 6514}

STALLED = 60.0
"""Seconds to wait for the rest of an incomplete message."""


class Config(SourceConfig, frozen=True, kw_only=True):
    """The address to listen on, and limits for senders."""

    listen: Annotated[
        str, msgspec.Meta(examples=["udp://0.0.0.0:514", "tcp://0.0.0.0:514", "tls://[::]:6514"])
    ] = "udp://127.0.0.1:514"
    """`udp://`, `tcp://` or `tls://` and `host:port`. The default can only be reached from this
    host."""
    tls: ListenTLSConfig | None = None
    """Certificates, for TLS."""
    max_message: Annotated[Size, msgspec.Meta(ge=480, le=2**24)] = Size(2**16)
    """Longest message over TCP and TLS."""
    connections: Annotated[int, msgspec.Meta(ge=1)] = 1024
    """Most connections at a time. Beyond that, a new one replaces a client that has not finished
    its TLS handshake."""
    idle: Annotated[Duration, msgspec.Meta(gt=0)] = Duration(86400)
    """Time without data after which a connection is closed."""
    receive_buffer: Annotated[Size, msgspec.Meta(ge=2**12, le=2**30)] = Size(8 * 2**20)
    """Size of the kernel's receive buffer for datagrams. Without the capability CAP_NET_ADMIN it is
    at most the host's `net.core.rmem_max`."""


class Syslog(Source):
    """Listens for messages. Each connection has a task; over UDP there is one for all datagrams."""

    repeats: ClassVar[bool] = False

    def __init__(self, config: Config, context: SourceContext) -> None:
        address = listen_address(config.listen, PORTS, config.tls)
        self._config = config
        self._host = context.host
        self._listener: TcpServer | UdpServer
        if address.scheme == "udp":
            self._listener = UdpServer(address, int(config.receive_buffer))
        else:
            self._listener = TcpServer(address, config.tls, config.connections)

    @property
    def port(self) -> int:
        """The port that it listens on, once open."""
        return self._listener.port

    async def open(self) -> None:
        await self._listener.open()

    def reached(self) -> str:
        return self._listener.reached()

    async def run(self, intake: Intake) -> None:
        if isinstance(self._listener, UdpServer):
            async with intake.taking():
                await _receive(self._listener, self._host, intake)
            return

        async def handle(connection: AcceptedConnection) -> None:
            connection.admitted = True
            async with intake.taking():
                await _read(
                    connection, peer_name(connection.peer, self._host), self._config, intake
                )

        async with asyncio.TaskGroup() as tasks, intake.taking():
            await self._listener.serve(tasks, handle, intake.refuse)

    async def close(self) -> None:
        self._listener.close()


async def _receive(receiver: UdpServer, host: str, intake: Intake) -> None:
    while True:
        datagrams, dropped = await receiver.receive()
        if dropped:
            intake.refuse("dropped", "datagrams came faster than sinks took them", dropped)
        by_peer: dict[str, list[bytes]] = {}
        for data, peer in datagrams:
            by_peer.setdefault(peer, []).append(data)
        for taken in [
            _take(intake, messages, peer_name(peer, host)) for peer, messages in by_peer.items()
        ]:
            await taken.placed()


async def _read(connection: AcceptedConnection, host: str, config: Config, intake: Intake) -> None:
    frames = SyslogFrames(int(config.max_message))
    try:
        while data := await _next(connection, frames, float(config.idle)):
            try:
                await intake.room()  # otherwise every connection would add what it has read
            finally:  # what was received is counted in any case
                messages, cut = frames.feed(data)
                taken = _take(intake, messages, host, cut) if messages else None
            if taken is not None:
                await taken.placed()
    except SyslogFrameError as error:
        if error.before:
            _take(intake, error.before, host)
        intake.refuse(error.kind, f"{connection.peer}: {error}")
    except OSError:
        pass  # what was received before is still taken
    if rest := frames.end():
        _take(intake, rest, host)


async def _next(connection: AcceptedConnection, frames: SyslogFrames, idle: float) -> bytes:
    patience = STALLED if frames.pending else idle
    try:
        return await connection.read(patience)
    except TimeoutError:
        kind = "stalled" if frames.pending else "idle"
        raise SyslogFrameError(f"it said nothing for {patience:g} s", kind) from None


def _take(intake: Intake, messages: Sequence[bytes], host: str, cut: Sequence[int] = ()) -> Taken:
    batches, size = [], 0
    for of in columns(messages, host, time.time(), cut):
        name = of.app or of.host
        container = intake.container(f"{of.host}\0{of.app}", name, host=of.host, module="syslog")
        fields = of.fields if any(of.fields) else None
        streams = bytes(len(of.lines))
        batch = intake.batch(
            container, of.lines, of.times, streams, fields=fields, truncated=tuple(of.cut)
        )
        batches.append(batch)
        size += batch.size + of.weight
    return intake.take(batches, size)
