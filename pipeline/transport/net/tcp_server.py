"""A server of TCP, with TLS where it is asked for, and no more connections than are allowed."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from pipeline.support.plural import plural
from pipeline.transport.net.accepted import AcceptedConnection
from pipeline.transport.net.address import Address
from pipeline.transport.net.listen import ListenTLSConfig, bound_socket, server_context

log = logging.getLogger(__name__)

PAUSE: Final = 1.0
"""Seconds for which no connection is taken after the process ran out of files."""

Refuse = Callable[[str, str], object]
"""Counts what makes no sense or is too much: a word, and a sentence."""


class TcpServer:
    """Takes connections at one address. May be opened again after it was closed."""

    def __init__(self, address: Address, tls: ListenTLSConfig | None, connections: int) -> None:
        """`connections`: how many there may be at a time. Beyond, the one gives way that has waited
        longest of those that are not admitted."""
        self.address = address
        self._tls_config = tls
        self._tls: ssl.SSLContext | None = None
        self._most = connections
        self._connections: dict[AcceptedConnection, None] = {}
        """The oldest first, without those that have given way."""
        self._socket: socket.socket | None = None

    @property
    def port(self) -> int:
        """The port that it listens on; before `open` the one that was configured, which may be
        0."""
        return self._socket.getsockname()[1] if self._socket is not None else self.address.port

    def reached(self) -> str:
        """The address with the port that it has: `tcp://0.0.0.0:24224`."""
        return str(Address(self.address.scheme, self.address.host, self.port))

    async def open(self) -> None:
        """Reads the files of TLS, and listens. Raises `Unavailable`."""
        self.close()
        if self._tls_config is not None:
            self._tls = await asyncio.to_thread(server_context, self._tls_config)
        self._socket = await bound_socket(self.address, socket.SOCK_STREAM)

    async def serve(
        self,
        tasks: asyncio.TaskGroup,
        handle: Callable[[AcceptedConnection], Awaitable[None]],
        refuse: Refuse,
    ) -> None:
        """Takes connections, each with a task in `tasks` in which `handle` is run, until this is
        cancelled; they go on then. Whatever `handle` raises is the end of its connection alone.
        `refuse` is told of clients that are turned away, with a word for metrics and a sentence."""
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
            connection = AcceptedConnection(sock, _host(peer))
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
        connection: AcceptedConnection,
        handle: Callable[[AcceptedConnection], Awaitable[None]],
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

    def _ended(self, connection: AcceptedConnection, task: asyncio.Task[None]) -> None:
        self._connections.pop(connection, None)
        connection.close()

    def close(self) -> None:
        """Takes no more connections; those that were taken go on."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _host(peer: tuple[str, ...]) -> str:
    return peer[0].removeprefix("::ffff:")
