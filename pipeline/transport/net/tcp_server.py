"""Taking connections: TCP, with TLS where it is asked for, and no more of them than are allowed."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Final, NoReturn

import msgspec

from pipeline.errors import ConfigError, Unavailable
from pipeline.plural import plural
from pipeline.transport.net.accepted import Connection
from pipeline.transport.net.address import Address, parse
from pipeline.transport.net.tls import unreadable

log = logging.getLogger(__name__)

BACKLOG: Final = 512
PAUSE: Final = 1.0
"""Seconds for which no connection is taken after the process ran out of files."""

Refuse = Callable[[str, str], object]
"""Counts what makes no sense or is too much: a word, and a sentence."""


class ListenTLSConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """TLS of an address that is listened on."""

    cert: Annotated[str, msgspec.Meta(examples=["/certs/cert.pem"])]
    """PEM file of the certificate, with its chain."""
    key: Annotated[str | None, msgspec.Meta(examples=["/certs/key.pem"])] = None
    """PEM file of its key, where that is not in the same file."""
    client_ca: Annotated[str | None, msgspec.Meta(examples=["/certs/clients.pem"])] = None
    """PEM file of the authorities whose certificates clients have to show; without it, they need
    none."""


def listen_address(
    text: str, ports: dict[str, int | None], tls: ListenTLSConfig | None, plain: str = "tcp"
) -> Address:
    """Where to listen; `plain` is the scheme of what has none, where there is no TLS. Raises
    `ConfigError` for the key `listen`."""
    try:
        address = parse(text, ports, "tls" if tls else plain, any_port=True)
    except ConfigError as error:
        raise ConfigError(error.message, path="listen") from None
    if address.scheme == "tls" and tls is None:
        raise ConfigError('TLS needs a certificate: tls = { cert = "…", key = "…" }', path="tls")
    if address.scheme != "tls" and tls is not None:
        message = f"{address.scheme}:// is not encrypted, so a tls table has no meaning"
        raise ConfigError(message, path="listen")
    return address


def server_context(config: ListenTLSConfig) -> ssl.SSLContext:
    """Reads the files that `config` names, so it blocks. TLS 1.2 and later.

    Raises `Unavailable` with a sentence about the file that cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # a password, so that an encrypted key is an error and not a prompt
        context.load_cert_chain(config.cert, config.key, password="")
    except (OSError, ssl.SSLError) as error:
        raise unreadable("cert", config.cert, error, config.key) from error
    if config.client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        try:
            context.load_verify_locations(config.client_ca)
        except (OSError, ssl.SSLError) as error:
            raise unreadable("client_ca", config.client_ca, error) from error
    return context


async def bound(address: Address, kind: socket.SocketKind) -> socket.socket:
    """A socket that has the address and does not block. Raises `Unavailable`."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(address.host, address.port, type=kind)
    except (OSError, UnicodeError) as error:
        raise Unavailable(f'cannot listen on {address}: there is no host "{address.host}"') from (
            error
        )
    family, kind_, protocol, _, where = found[0]
    sock = socket.socket(family, kind_, protocol)
    try:
        sock.setblocking(False)
        if kind == socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(where)
        if kind == socket.SOCK_STREAM:
            sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        _raise(error, address)
    return sock


def _raise(error: OSError, address: Address) -> NoReturn:
    why = {
        errno.EADDRINUSE: "it is in use; stop what uses it, or choose another",
        errno.EACCES: "no permission; choose a port above 1023",
        errno.EADDRNOTAVAIL: "this host has no such address",
    }.get(error.errno or 0, str(error.strerror))
    raise Unavailable(f"cannot listen on {address}: {why}") from error


class Listener:
    """Listens on one address, and may be opened again."""

    def __init__(self, address: Address, tls: ListenTLSConfig | None, connections: int) -> None:
        """`connections`: how many there may be at a time. Beyond, the one gives way that has waited
        longest of those that are not admitted."""
        self.address = address
        self._tls_config = tls
        self._tls: ssl.SSLContext | None = None
        self._most = connections
        self._connections: dict[Connection, None] = {}
        """The oldest first, without those that have given way."""
        self._socket: socket.socket | None = None

    @property
    def port(self) -> int:
        """That it has."""
        return self._socket.getsockname()[1] if self._socket is not None else self.address.port

    def reached(self) -> str:
        return str(Address(self.address.scheme, self.address.host, self.port))

    async def open(self) -> None:
        """Raises `Unavailable`."""
        self.close()
        if self._tls_config is not None:
            self._tls = await asyncio.to_thread(server_context, self._tls_config)
        self._socket = await bound(self.address, socket.SOCK_STREAM)

    async def serve(
        self,
        tasks: asyncio.TaskGroup,
        handle: Callable[[Connection], Awaitable[None]],
        refuse: Refuse,
    ) -> None:
        """Takes connections, each with a task of its own in which `handle` is run, until this is
        cancelled; they go on then. Whatever `handle` raises is the end of its connection alone."""
        loop = asyncio.get_running_loop()
        assert self._socket is not None
        while True:
            await asyncio.sleep(0)  # others get the event loop, however many wait to be taken
            try:
                sock, peer = await loop.sock_accept(self._socket)
            except OSError as error:
                if error.errno not in (errno.ECONNABORTED, errno.EINTR):
                    refuse("accept", f"no connection can be taken: {error.strerror}")
                    await asyncio.sleep(PAUSE)
                continue
            if not self._has_place(refuse):
                sock.close()
                continue
            connection = Connection(sock, _host(peer))
            self._connections[connection] = None
            serving = self._serve(connection, handle, refuse)
            task = tasks.create_task(serving, name=f"connection of {connection.peer}")
            task.add_done_callback(partial(self._ended, connection))

    def _has_place(self, refuse: Refuse) -> bool:
        """For one more, in the place of a client that has shown nothing if need be."""
        if len(self._connections) < self._most:
            return True
        most = f"there can be {self._most} {plural(self._most, 'connection')} at the most"
        stranger = next((one for one in self._connections if not one.admitted), None)
        if stranger is None:
            refuse("connections", most)
            return False
        refuse("connections", f"{most}; {stranger.peer} has shown nothing yet, and gives way")
        del self._connections[stranger]
        stranger.abort()
        return True

    async def _serve(
        self,
        connection: Connection,
        handle: Callable[[Connection], Awaitable[None]],
        refuse: Refuse,
    ) -> None:
        try:
            await connection.begin(self._tls)
        except OSError as error:
            if self._tls is not None:
                refuse("tls", f"{connection.peer} did not come through the handshake: {error}")
            return
        try:
            await handle(connection)
        except Exception as error:  # a bug; the others must not suffer for it
            refuse("bug", f"{connection.peer}: {error!r}")
            log.exception("a connection of %s failed", connection.peer)
        finally:
            await connection.end()

    def _ended(self, connection: Connection, task: asyncio.Task[None]) -> None:
        self._connections.pop(connection, None)
        connection.close()

    def close(self) -> None:
        """Takes no more."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _host(peer: tuple[str, ...]) -> str:
    return peer[0].removeprefix("::ffff:")
