"""TLS between a TCP connection and the protocol that serves it.

asyncio's own TLS shows a connection to its protocol after the handshake. Here the protocol sees it
at once, so that its limits (see `connections`) also hold for clients that never finish one.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterable
from typing import Any, Final

from pipeline.support.garbage import untie
from pipeline.transport.net.tls import PIECE, TLS

Data = bytes | bytearray | memoryview

PLAIN_REFUSED: Final = "this port speaks HTTPS: ask it at an address that begins with https://\n"
_PLAIN_ANSWER: Final = (
    "HTTP/1.1 400 Bad Request\r\nServer: dockline\r\nContent-Type: text/plain; charset=utf-8\r\n"
    f"Connection: close\r\nContent-Length: {len(PLAIN_REFUSED)}\r\n\r\n{PLAIN_REFUSED}"
).encode()


class Encrypted(asyncio.Protocol, asyncio.Transport):
    """The protocol of a TCP transport, and the transport of the protocol that gets what was
    decrypted."""

    def __init__(
        self, inner: asyncio.Protocol, context: ssl.SSLContext, failed: Callable[[], object]
    ) -> None:
        """`inner` gets the connection before the handshake, and may write after its first data.
        `failed` is called when the handshake fails."""
        super().__init__()
        self._inner = inner
        self._context = context
        self._tls = TLS(context)
        self._failed = failed
        self._tcp: asyncio.Transport
        self._ready = False
        """Whether the handshake is complete."""
        self._closing = False

    # --------------------------------------------------------------- the TCP transport's protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._tcp = transport
        self._inner.connection_made(self)

    def data_received(self, data: bytes) -> None:
        if self.is_closing():
            return
        try:
            said = self._received(data)
        except ssl.SSLError as error:
            self._refuse(error)
            return
        if sent := self._tls.outgoing():
            self._tcp.write(sent)
        if said:
            self._inner.data_received(said)
        if self._tls.ended and not self.is_closing():
            self._inner.eof_received()
            self.close()

    def _received(self, data: bytes) -> bytes:
        if self._ready:
            return self._tls.decrypt(data)
        self._ready = self._tls.handshake(data)
        return self._tls.decrypt(b"") if self._ready else b""

    def _refuse(self, error: ssl.SSLError) -> None:
        """Ends the connection after bytes that are no TLS, with an answer if they are HTTP."""
        if self._ready:
            self.abort()
            return
        if error.reason == "HTTP_REQUEST":
            self._tcp.write(_PLAIN_ANSWER)
        else:
            self._failed()
            self._tcp.write(self._tls.outgoing())
        self._closing = True
        self._tcp.close()

    def eof_received(self) -> None:
        self._inner.eof_received()

    def connection_lost(self, error: Exception | None) -> None:
        self._closing = True
        self._inner.connection_lost(error)
        untie(self._tcp)
        del self._inner  # it holds this object

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

    # -------------------------------------------------------- the inner protocol's transport

    def write(self, data: Data) -> None:
        if self.is_closing() or not self._ready:
            return
        rest = memoryview(data).cast("B")
        try:
            while rest:
                self._tcp.write(self._tls.encrypt(rest[:PIECE]))
                rest = rest[PIECE:]
        except ssl.SSLError:
            self.abort()

    def writelines(self, list_of_data: Iterable[Data]) -> None:
        self.write(b"".join(list_of_data))

    def can_write_eof(self) -> bool:
        return False

    def close(self) -> None:
        if self.is_closing():
            return
        self._closing = True
        if self._ready:
            self._tcp.write(self._tls.goodbye())
        self._tcp.close()

    def abort(self) -> None:
        self._closing = True
        self._tcp.abort()

    def is_closing(self) -> bool:
        return self._closing or self._tcp.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if name == "sslcontext":  # aiohttp takes the scheme from it
            return self._context
        return self._tcp.get_extra_info(name, default)

    def pause_reading(self) -> None:
        self._tcp.pause_reading()

    def resume_reading(self) -> None:
        self._tcp.resume_reading()

    def get_write_buffer_size(self) -> int:
        return self._tcp.get_write_buffer_size()
