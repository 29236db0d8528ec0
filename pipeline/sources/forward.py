"""The Fluent forward protocol: from Docker's fluentd logging driver, Fluentd, Fluent Bit, the
libraries of many languages, and the `forward` sink of another dockline.

```toml
[sources.fluent]
type = "forward"
listen = "0.0.0.0:24224"                  # without it, this host alone: 127.0.0.1:24224
shared_key = "${FLUENTD_KEY}"
tls = { cert = "/certs/cert.pem", key = "/certs/key.pem" }
```

- **Whose an entry is**: another dockline's keep their container, time, sequence and fields, all as
  they were. Docker's driver tells a container's id and name, and what its options `labels` and
  `env` choose, which become labels; lines of more than 16 KiB are put together again, and times are
  exact with its option `fluentd-sub-second-precision=true`. For all others the tag and the
  client's host stand for a container; `message`, `log` or `msg` is the message, and all else are
  fields. Their `event.dataset` is `forward.logs` and not `docker.logs`, and they have neither
  `container.runtime` nor `container.image`. A message keeps its bytes; in all else `U+FFFD` stands
  for what is not UTF-8, and bytes are text.
- **Acknowledgements**: a chunk is acknowledged when every sink has all of it, or its spool has.
  What is not acknowledged when the process ends is sent again by the client, so chunks can come
  twice. A client that does not ask for it (Docker's driver without `fluentd-request-ack=true`)
  loses what was on its way when a connection breaks. A part of a line is acknowledged at once,
  since Docker sends the next one only then: a process that ends in the middle of a line, however
  it ends, loses its beginning; the rest is marked as truncated.
- **What `fluentd-request-ack=true` costs**: Docker sends one line, and the next one when that is
  acknowledged, at some 2,000 lines a second of a container (`benchmarks/results/driver_acks.md`);
  one that writes more, or whose sinks are away, waits with its writes. With `buffer.disk` a sink
  that is away acknowledges what is on its disk, which begins after ten seconds, and then 16 lines a
  second of each container, since fsync is done for 50 ms together. When a container has ended
  Docker goes on for some seconds, and what is left then is lost; with `fluentd-async=true`, which
  keeps a container from waiting, nearly all that was not sent when it ended.
- **Limits**: of connections, of a message, of what it has unpacked, of nesting, of a tag, of all
  that is not complete yet, and of silence. A client that goes beyond one is refused: counted in
  `dockline_source_refused_messages_total{reason}`, said in the log, and its connection is ended.
  One entry may have 50,000 values, its fields and what is in them: another is left out, counted as
  `too_large`, and the others are taken. One larger than 64 KiB may have 20,000 lists and objects,
  or the client is refused.
  With `idle`, mind that Docker's driver without `fluentd-request-ack` loses the first line that it
  has for a connection that was ended.
- **Heartbeats**: those over TCP need nothing. Fluentd's over UDP (`heartbeat_type udp`, which is no
  default) are answered with `heartbeat = true`: three a second for each client, and none that
  comes from a port below 1024, from 24224 or from the port that is listened on, since anybody can
  write another server's address on a datagram. Others are counted as refused, `heartbeat`.
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
    """Where to listen, and for whom."""

    listen: Annotated[str, msgspec.Meta(examples=["0.0.0.0:24224", "[::]:24224"])] = (
        "127.0.0.1:24224"
    )
    """`host:port`. Only this host reaches the default."""
    shared_key: Annotated[Secret | None, msgspec.Meta(examples=["${FLUENTD_KEY}"])] = None
    """Key that clients have to know, as in Fluentd's `<security>`. Docker's driver has none."""
    users: dict[str, Secret] = msgspec.field(default_factory=dict)
    """Passwords by user, one of which clients have to know as well."""
    hostname: Annotated[str | None, msgspec.Meta(examples=["hub-1"])] = None
    """Name to give with the shared key, by default that of this host. Fluentd does not send to a
    server that has the name that it has itself: set another one for a Fluentd on this host."""
    tls: ListenTLSConfig | None = None
    """Certificates, for TLS."""
    connections: Annotated[int, msgspec.Meta(ge=1)] = 1024
    """Connections at a time. Beyond, a client that has not shown the key, or not finished the
    handshake of TLS, gives way to a new one."""
    idle: Annotated[Duration, msgspec.Meta(gt=0)] = Duration(86400)
    """Time after which a connection is ended that says nothing."""
    max_message: Annotated[Size, msgspec.Meta(ge=2**16)] = Size(16 * 2**20)
    """Bytes of one message, as it comes: Fluentd's `chunk_limit_size` and some more."""
    max_unpacked: Annotated[Size, msgspec.Meta(ge=2**16)] = Size(64 * 2**20)
    """Bytes of memory for the entries of one message."""
    max_pending: Annotated[Size, msgspec.Meta(ge=2**16)] = Size(64 * 2**20)
    """Bytes of messages that are not complete yet, of all connections."""
    max_line: Annotated[Size, msgspec.Meta(ge=2**14)] = Size(2**20)
    """Bytes of a line that Docker sends in parts; what is longer is cut, and marked."""
    heartbeat: bool = False
    """Answer heartbeats over UDP, on the same port. Only a Fluentd with `heartbeat_type udp` needs
    it."""


class Forward(Source):
    """Listens, and has a task for each connection."""

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
        """That it listens on."""
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
