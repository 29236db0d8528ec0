"""One TCP connection to one peer, with TLS where it is asked for.

It works on the socket rather than through asyncio's transports, which keep a buffer of their own:
here `send` returns when the kernel has taken all bytes, and the kernel can be asked how many of
them the peer's has acknowledged.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import deque
from contextlib import suppress

from pipeline.model.component import TLSConfig
from pipeline.model.errors import Unavailable
from pipeline.transport.net.address import Address
from pipeline.transport.net.errors import unavailable
from pipeline.transport.net.sockets import connect, hung_up, readable, unacknowledged, writable
from pipeline.transport.net.tls import PIECE, TLS, client_context

CLOSING = 2.0
"""Seconds that `close` waits for the peer to take what was sent. A container's network ends with
its first process, and with it what the kernel still held."""

GRACE = 0.2
"""Seconds in which a peer that does not want what it got is expected to say so, by whatever means
it has: an alert, an error message, the end of the connection. Spent once per connection."""


AT_ONCE = 2**19
"""Bytes of what a peer says that are taken at a time: one may say more than anybody can read."""

BLOCKED = 1.0
"""Seconds between two looks at whether a peer that takes nothing has hung up."""


class Closed(Unavailable):
    """Nothing is open: the peer has ended the connection in good order, or none was made."""


class Stream:
    """A connection to one peer, made as often as needed: `open` may be called again after any
    trouble.

    A stream protocol such as syslog never says what has arrived. So what `send` took, but the
    peer's kernel had not acknowledged when the connection broke, is sent again by the next `open`,
    payload by payload. That repeats at most what was in flight, and loses only what the peer's
    kernel had taken and the peer itself never read. A protocol with acknowledgements of its own
    says `resend=False`, and one whose connections begin with a greeting `reconnect=False`: then
    `send` raises `Closed` where it would quietly make the connection anew.

    All methods raise `Unavailable`; none may overlap with another, `close` excepted.
    """

    def __init__(
        self,
        address: Address,
        tls: TLSConfig | None = None,
        *,
        timeout: float = 10.0,
        resend: bool = True,
        reconnect: bool = True,
    ) -> None:
        """`timeout` in seconds is for connecting, and again for the TLS handshake."""
        self.address = address
        self._tls_config = tls
        self._timeout = timeout
        self._resend = resend
        self._reconnect = reconnect
        self._socket: socket.socket | None = None
        self._tls: TLS | None = None
        self._ended = False
        """The peer sends no more."""
        self._fresh = True
        """Nothing was sent on this connection yet."""
        self._written = 0
        """Bytes that the kernel took on this connection."""
        self._sent: deque[tuple[int, bytes]] = deque()
        """What may be unacknowledged: `_written` after it, and the data."""
        self._owed: list[bytes] = []
        """What was not acknowledged on connections that broke."""
        self._greeting = b""
        """What the peer said before it was asked, while TLS was being agreed on."""

    # -- opening and closing -------------------------------------------------------------------

    async def open(self) -> None:
        """Connects, and sends again what the peer may not have. Drops the connection that was open
        before."""
        self._drop()
        context = None
        if self._tls_config is not None:
            context = await asyncio.to_thread(client_context, self._tls_config)
        try:
            self._socket = await connect(self.address, self._timeout)
            self._ended, self._written, self._fresh, self._greeting = False, 0, True, b""
            if context is not None:
                await self._handshake(context)
            await self._pay_debts()
        except (OSError, ValueError) as error:  # ValueError: a host name that TLS cannot encode
            self._drop()
            raise unavailable(self.address, error) from error
        except BaseException:
            self._drop()
            raise

    def reached(self) -> str:
        """Whom `open` has reached: `tls://logs:6514 (10.0.0.7), TLSv1.3, certificate until
        2027-01-31`."""
        parts = [str(self.address)]
        if self._socket is not None and self.address.scheme != "unix":
            parts[0] += f" ({self._socket.getpeername()[0]})"
        if self._tls is not None:
            parts += [self._tls.version, f"certificate until {self._tls.expires}"]
        return ", ".join(parts)

    async def close(self) -> None:
        """Ends the connection, TLS first, and waits for `CLOSING` seconds at the most until the
        peer has taken all. Never raises."""
        try:
            if self._socket is not None:
                await self._finish(self._socket)
        except (OSError, Unavailable):
            pass
        finally:
            self._drop()

    async def _finish(self, sock: socket.socket) -> None:
        self.pending()  # closing a socket with unread data would reset the connection
        async with asyncio.timeout(CLOSING):
            if self._tls is not None:
                await self._write(self._tls.goodbye())
            sock.shutdown(socket.SHUT_WR)
            await self._taken()

    def _drop(self) -> None:
        """Closes the socket at once, and remembers what it owes."""
        if self._socket is None:
            return
        self._forget_acknowledged()
        self._owed += [data for _, data in self._sent]
        self._sent.clear()
        self._socket.close()
        self._socket = self._tls = None

    async def _handshake(self, context: ssl.SSLContext) -> None:
        assert self._tls_config is not None
        self._tls = tls = TLS(context, self._tls_config.server_name or self.address.host)
        try:
            async with asyncio.timeout(self._timeout):
                await self._shake_hands(tls)
        except TimeoutError as error:
            raise Unavailable(
                f"{self.address} accepts connections, but does not answer the TLS handshake; "
                "check that it expects TLS on this port"
            ) from error
        if tls.version == "TLSv1.3":
            # The server checks our certificate only now. One that accepts it says so with a
            # ticket, or says nothing.
            said = await self._listen(GRACE)
            self._greeting = b"" if self._resend else said

    async def _shake_hands(self, tls: TLS) -> None:
        assert self._socket is not None
        received, done = b"", False
        while not done:
            try:
                done = tls.handshake(received)
            except ssl.SSLError:
                with suppress(OSError):  # the alert that tells the peer why
                    await self._write(tls.outgoing())
                raise
            await self._write(tls.outgoing())
            if not done:
                received = await asyncio.get_running_loop().sock_recv(self._socket, 65536)
                if not received:
                    raise ssl.SSLEOFError(ssl.SSL_ERROR_EOF, "ended during the handshake")

    async def _pay_debts(self) -> None:
        """Sends what is owed, and waits until the peer has it."""
        for data in self._owed:
            await self._write_encrypted(data)
        if self._owed:
            await self._taken()
        self._owed.clear()

    # -- sending and receiving -----------------------------------------------------------------

    async def send(self, data: bytes) -> None:
        """Returns when the kernel has taken all of it.

        A connection that the peer closed while nothing was outstanding is quietly made anew. The
        first data on a connection are taken for sent only when the peer has not complained for a
        moment: the wrong framing, or TLS where there is none, would otherwise lose them.
        """
        try:
            self.pending()
        except Closed:
            self._drop()
            if self._owed or not self._reconnect:
                raise
            await self.open()
        try:
            await self._write_encrypted(data)
            if self._fresh and self._resend:
                await self._on_probation()
        except OSError as error:
            self._drop()
            raise unavailable(self.address, error) from error
        except BaseException:  # cancelled in the middle of a message: no more can follow it
            self._drop()
            raise
        if self._resend:
            self._sent.append((self._written, data))
            self._forget_acknowledged()

    async def _on_probation(self) -> None:
        try:
            objection = await self._listen(GRACE)
        except Closed:
            objection = b"closed"
        if objection:
            raise Unavailable(
                f"{self.address} closed the connection, or objected, as soon as it had data; "
                "check its protocol and framing, and whether it expects TLS"
            )
        self._fresh = False

    async def _listen(self, patience: float) -> bytes:
        """What the peer says next, or nothing after `patience` seconds."""
        assert self._socket is not None
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await readable(self._socket)
        return self.pending()

    async def receive(self) -> bytes:
        """What the peer says next, as soon as it says something. Raises `Closed` when it says no
        more."""
        while not (said := self.pending()):
            assert self._socket is not None
            await readable(self._socket)
        return said

    def pending(self) -> bytes:
        """What the peer has said meanwhile, if anything, `AT_ONCE` at the most. Raises `Closed`, or
        `Unavailable`."""
        if self._socket is None:
            raise Closed(f"{self.address} is not connected")
        said, self._greeting = self._greeting, b""
        try:
            while not self._ended and len(said) < AT_ONCE:
                if received := self._socket.recv(65536):
                    said += self._understand(received)
                else:
                    self._ended = True
        except BlockingIOError:
            pass
        except OSError as error:
            raise unavailable(self.address, error) from error
        if self._ended and not said:
            raise self._closed()
        return said

    def _closed(self) -> Closed:
        return Closed(f"{self.address} closed the connection; its own log may say why")

    def _understand(self, received: bytes) -> bytes:
        if self._tls is None:
            return received
        said = self._tls.decrypt(received)
        self._ended = self._tls.ended
        return said

    async def _write_encrypted(self, data: bytes) -> None:
        if self._tls is None:
            await self._write(data)
            return
        for start in range(0, len(data), PIECE):
            await self._write(self._tls.encrypt(memoryview(data)[start : start + PIECE]))

    async def _write(self, data: bytes) -> None:
        assert self._socket is not None
        left = memoryview(data)
        while left:
            try:
                left = left[self._socket.send(left) :]
            except BlockingIOError:
                await self._take_more(self._socket)
        self._written += len(data)

    async def _take_more(self, sock: socket.socket) -> None:
        """Waits until the kernel does. A peer that has hung up without a reset, and takes nothing,
        would be waited for until the kernel loses its patience."""
        with suppress(TimeoutError):
            async with asyncio.timeout(BLOCKED):
                await writable(sock)
                return
        if hung_up(sock):
            raise self._closed()

    # -- what has arrived ----------------------------------------------------------------------

    def unconfirmed(self) -> int:
        """How many of the last payloads the peer's kernel may not have. Raises `Closed`, or
        `Unavailable`, when it is not on this connection that it will get them."""
        self._forget_acknowledged()
        if self._sent or self._owed:
            self.pending()
        return len(self._owed) + len(self._sent)

    def _forget_acknowledged(self) -> None:
        if not self._sent or self._socket is None:
            return
        acknowledged = self._written - unacknowledged(self._socket)
        while self._sent and self._sent[0][0] <= acknowledged:
            self._sent.popleft()

    def give_up(self) -> None:
        """Sends nothing again of what the peer may not have."""
        self._drop()
        self._owed.clear()

    async def _taken(self) -> None:
        """Waits until the peer's kernel has acknowledged all; nothing but asking tells."""
        assert self._socket is not None
        while unacknowledged(self._socket):
            self.pending()
            await asyncio.sleep(0.005)
