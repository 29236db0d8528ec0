"""The Fluent forward protocol: from Docker's `fluentd` logging driver, Fluentd, Fluent Bit, the
libraries of many languages, and the `forward` sink of another dockline.

```toml
[sources.fluent]
type = "forward"
listen = "0.0.0.0:24224"                  # without it, this host alone: 127.0.0.1:24224
shared_key = "${FLUENTD_KEY}"
tls = { cert = "/certs/cert.pem", key = "/certs/key.pem" }
```

- **Container**: entries of another dockline keep their container, time, sequence and fields.
  Docker's driver sends the container's id and name, and what its options `labels` and `env` choose,
  which become labels; lines of more than 16 KiB are joined again, and times are exact with its
  option `fluentd-sub-second-precision=true`. For all other clients, the tag and the client's host
  take the place of a container; `message`, `log` or `msg` is the message, and everything else
  becomes fields. Their `event.dataset` is `forward.logs`, not `docker.logs`, and they have neither
  `container.runtime` nor `container.image`. A message keeps its bytes; elsewhere bytes become text,
  with `U+FFFD` for what is not UTF-8.
- **Acknowledgements**: a chunk is acknowledged when every sink has delivered it, or has it in its
  disk buffer. Chunks without an acknowledgement when the process ends are sent again by the client,
  so there may be duplicates. A client that does not request acknowledgements (Docker's driver
  without `fluentd-request-ack=true`) loses what was in flight when a connection breaks. A part of a
  line is acknowledged at once, since Docker only sends the next part then: a process that ends in
  the middle of a line loses its beginning; the rest is marked as truncated.
- **Cost of `fluentd-request-ack=true`**: Docker waits for the acknowledgement of each line, which
  allows about 2,000 lines per second and container (`benchmarks/results/driver_acks.md`); a
  container that writes more, or whose sinks are not available, is blocked. With `buffer.disk`, a
  sink that is not available acknowledges what is on disk. That begins after ten seconds, and then
  allows 16 lines per second and container, since fsync runs once in 50 ms. When a container has
  ended, Docker continues for some seconds, and the rest is lost; with `fluentd-async=true`, which
  does not block the container, nearly everything that was not sent by then is lost.
- **Limits** apply to connections, a message, its unpacked size, nesting, a tag, all incomplete
  messages together, and silence. A client that exceeds one is refused: it is counted in
  `dockline_source_refused_messages_total{reason}` and logged, and its connection is closed. An
  entry may have 50,000 values, nested ones included: one with more is left out and counted as
  `too_large`, the others are taken. An entry larger than 64 KiB may have 20,000 lists and objects,
  or the client is refused. If you set `idle`, note that Docker's driver without
  `fluentd-request-ack` loses the first line that it sends on a closed connection.
- **Heartbeats** over TCP need no setting. Fluentd's over UDP (`heartbeat_type udp`, not the
  default) are answered with `heartbeat = true`: three per second and client, and none from a port
  below 1024, from 24224 or from the source's own port, since a datagram's sender can be forged.
  Others are counted as refused, with the reason `heartbeat`.
"""

from __future__ import annotations

import asyncio
import os
import socket
from typing import Annotated

import msgspec

from pipeline.forward.handshake import Server
from pipeline.forward.heartbeats import Heartbeats
from pipeline.forward.partials import Partials
from pipeline.forward.session import Door, Session
from pipeline.model.component import (
    Duration,
    Intake,
    Secret,
    Size,
    Source,
    SourceConfig,
    SourceContext,
)
from pipeline.model.errors import ConfigError
from pipeline.transport.net.accepted import AcceptedConnection
from pipeline.transport.net.address import Address
from pipeline.transport.net.listen import ListenTLSConfig, bound_socket, listen_address
from pipeline.transport.net.tcp_server import TcpServer

PORTS: dict[str, int | None] = {"tcp": 24224, "tls": 24224}


class Config(SourceConfig, frozen=True, kw_only=True):
    """The address to listen on, the credentials, and limits for clients."""

    listen: Annotated[str, msgspec.Meta(examples=["0.0.0.0:24224", "[::]:24224"])] = (
        "127.0.0.1:24224"
    )
    """`host:port` to listen on. The default can only be reached from this host."""
    shared_key: Annotated[Secret | None, msgspec.Meta(examples=["${FLUENTD_KEY}"])] = None
    """Shared key that clients need, as in Fluentd's `<security>`. Docker's driver has none."""
    users: dict[str, Secret] = msgspec.field(default_factory=dict)
    """Passwords by user; if there are any, clients also need a user and its password."""
    hostname: Annotated[str | None, msgspec.Meta(examples=["hub-1"])] = None
    """Host name to send with the shared key, by default that of this host. Fluentd does not send to
    a server with its own host name: set another one for a Fluentd on this host."""
    tls: ListenTLSConfig | None = None
    """Certificates, for TLS."""
    connections: Annotated[int, msgspec.Meta(ge=1)] = 1024
    """Most connections at a time. Beyond that, a new one replaces a client that has not sent the
    key or not finished its TLS handshake."""
    idle: Annotated[Duration, msgspec.Meta(gt=0)] = Duration(86400)
    """Time without data after which a connection is closed."""
    max_message: Annotated[Size, msgspec.Meta(ge=2**16)] = Size(16 * 2**20)
    """Largest message, as received; more than Fluentd's `chunk_limit_size`."""
    max_unpacked: Annotated[Size, msgspec.Meta(ge=2**16)] = Size(64 * 2**20)
    """Most memory for the entries of one message."""
    max_pending: Annotated[Size, msgspec.Meta(ge=2**16)] = Size(64 * 2**20)
    """Most bytes of incomplete messages, of all connections together."""
    max_line: Annotated[Size, msgspec.Meta(ge=2**14)] = Size(2**20)
    """Longest line that Docker may send in parts; a longer one is cut and marked `truncated`."""
    heartbeat: bool = False
    """Whether to answer heartbeats over UDP, on the same port. Only a Fluentd with
    `heartbeat_type udp` needs it."""


class Forward(Source):
    """Listens for clients, and handles each connection in a task."""

    def __init__(self, config: Config, context: SourceContext) -> None:
        self._address = listen_address(config.listen, PORTS, config.tls)
        if config.users and config.shared_key is None:
            raise ConfigError("users have no meaning without a shared_key", path="users")
        server = None
        if config.shared_key is not None:
            host = config.hostname or context.host or os.uname().nodename
            server = Server(host, config.shared_key, config.users)
        self._config = config
        self._listener = TcpServer(self._address, config.tls, config.connections)
        self._heartbeats: Heartbeats | None = None
        self._datagrams: asyncio.DatagramTransport | None = None
        self._door = Door(
            server,
            context.host,
            Partials(int(config.max_line)),
            float(config.idle),
            int(config.max_message),
            int(config.max_unpacked),
            int(config.max_pending),
        )

    @property
    def port(self) -> int:
        """The port that it listens on, once open."""
        return self._listener.port

    async def open(self) -> None:
        await self._listener.open()
        if self._config.heartbeat:
            await self._answer_heartbeats(Address("udp", self._address.host, self.port))

    async def _answer_heartbeats(self, address: Address) -> None:
        sock = await bound_socket(address, socket.SOCK_DGRAM)
        loop = asyncio.get_running_loop()
        try:
            self._datagrams, self._heartbeats = await loop.create_datagram_endpoint(
                lambda: Heartbeats(address.port), sock=sock
            )
        except BaseException:
            sock.close()
            raise

    def reached(self) -> str:
        return self._listener.reached()

    async def run(self, intake: Intake) -> None:
        async def handle(connection: AcceptedConnection) -> None:
            await Session(connection, self._door, intake).run()

        if self._heartbeats is not None:
            self._heartbeats.refuse = intake.refuse
        async with asyncio.TaskGroup() as tasks, intake.taking():
            await self._listener.serve(tasks, handle, intake.refuse)

    async def close(self) -> None:
        self._listener.close()
        datagrams, self._datagrams, self._heartbeats = self._datagrams, None, None
        if datagrams is not None:
            datagrams.abort()
