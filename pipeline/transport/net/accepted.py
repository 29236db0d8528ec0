"""One client's connection to an address that is listened on, with TLS where it is asked for.

It works on the socket rather than through asyncio's transports, which keep up to 384 KiB of what a
client sends before anybody has asked for it, and with TLS 256 KiB more for each connection: 1,024
clients that never finish a handshake took 430 MiB. Here the rest waits in the kernel.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import suppress
from typing import Final

from pipeline.transport.net.tls import PIECE, TLS

READ: Final = 2**16
"""Bytes of a connection that are read at once."""
READ_BEFORE: Final = 2**12
"""While its client has not shown who it is."""
LONGEST_HANDSHAKE: Final = 2**16
"""Bytes that a client may send in the handshake of TLS: its certificates are most of that."""
HANDSHAKE: Final = 10.0
"""Seconds that a client may take for the handshake of TLS."""
GOODBYE: Final = 1.0
"""Seconds that a client may take to have what was last written to it."""
UNREAD: Final = 2**20
"""Bytes that are thrown away at the end: what is left unread resets the connection, and the client
may lose what was last written to it."""


class AcceptedConnection:
    """A connection that a server has taken. One task may read while another writes."""

    def __init__(self, sock: socket.socket, peer: str) -> None:
        """`sock` is connected and does not block; `peer` is the client's address, without the
        port."""
        self.peer = peer
        """Its address, without the port."""
        self.admitted = False
        """Whoever reads it says so when its client has shown all that it has to show."""
        self._socket = sock
        self._tls: TLS | None = None
        self._ended = False
        self._writing = asyncio.Lock()
        self._hurried = False
        """The last bytes were there already."""
        self._waiter: asyncio.Future[None] | None = None
        self._watched = False
        """By the selector."""

    async def begin(self, context: ssl.SSLContext | None) -> None:
        """Has the TLS handshake where there is a `context`. To be called before anything else.
        Raises `OSError`, of which `ssl.SSLError` and `TimeoutError` are two."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context is None:
            return
        self._tls = TLS(context)
        try:
            async with asyncio.timeout(HANDSHAKE):
                await self._shake_hands(self._tls)
        except TimeoutError as error:
            raise TimeoutError(f"it takes longer than {HANDSHAKE:g} s") from error

    async def _shake_hands(self, tls: TLS) -> None:
        received, total, done = b"", 0, False
        while not done:
            try:
                done = tls.handshake(received)
            except ssl.SSLError:
                with suppress(OSError):  # the alert that tells the client why
                    await self._send(tls.outgoing())
                raise
            await self._send(tls.outgoing())
            if not done:
                received = await self._receive(READ_BEFORE)
                total += len(received)
                if not received:
                    raise ConnectionResetError("it ended in the middle of it")
                if total > LONGEST_HANDSHAKE:
                    raise ConnectionAbortedError(f"it is longer than {LONGEST_HANDSHAKE} bytes")

    async def read(self, patience: float | None, most: int = READ) -> bytes:
        """What the client sends next, once it is there: `most` bytes at the most, as they are on
        the wire; nothing when it sends no more. Raises `OSError`, and `TimeoutError` where nothing
        has come for `patience` seconds."""
        async with asyncio.timeout(patience):
            if self._tls is None:
                return await self._receive(most)
            return await self._decrypted(self._tls, most)

    async def _decrypted(self, tls: TLS, most: int) -> bytes:
        received = b""  # some may have come with the end of the handshake
        while not self._ended:
            said = tls.decrypt(received)
            self._ended = tls.ended
            # to the client's goodbye, for which it may wait, or a key update
            if reply := tls.goodbye() if tls.ended else tls.outgoing():
                async with self._writing:
                    await self._send(reply)
            if said or self._ended:
                return said
            received = await self._receive(most)
            self._ended = not received
        return b""

    async def _receive(self, most: int) -> bytes:
        if self._hurried:
            await asyncio.sleep(0)  # others get the event loop
        self._hurried = True
        while True:
            try:
                return self._socket.recv(most)
            except BlockingIOError:
                self._hurried = False
                await self._readable()

    async def _readable(self) -> None:
        """The selector keeps the socket from one wait to the next: two system calls less for a
        client that sends, waits for an answer, and sends again."""
        loop = asyncio.get_running_loop()
        if not self._watched:
            loop.add_reader(self._socket, self._wake)
            self._watched = True
        self._waiter = loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is None:
            self._unwatch()
        elif not self._waiter.done():
            self._waiter.set_result(None)

    def _unwatch(self) -> None:
        if self._watched:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._watched = False

    async def write(self, data: bytes) -> None:
        """Sends `data`. Returns when the kernel has all of it. Raises `OSError`."""
        async with self._writing:
            if self._tls is None:
                await self._send(data)
                return
            view = memoryview(data)
            for start in range(0, len(data), PIECE):
                await self._send(self._tls.encrypt(view[start : start + PIECE]))

    async def _send(self, data: bytes) -> None:
        if not data:
            return
        try:
            sent = self._socket.send(data)
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            rest = memoryview(data)[sent:]
            await asyncio.get_running_loop().sock_sendall(self._socket, rest)

    async def end(self) -> None:
        """Ends it in good order: the client gets what was written before. Never raises."""
        with suppress(OSError):
            if self._tls is not None:
                async with asyncio.timeout(GOODBYE):
                    await self._send(self._tls.goodbye())
            self._socket.shutdown(socket.SHUT_WR)
            self._discard()
        self.close()

    def _discard(self) -> None:
        left = UNREAD
        with suppress(OSError):
            while left > 0 and (unread := self._socket.recv(READ)):
                left -= len(unread)

    def abort(self) -> None:
        """Ends it at once, whoever reads or writes. Never raises."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Closes the socket. Nobody may read or write any more."""
        self._unwatch()
        self._socket.close()
