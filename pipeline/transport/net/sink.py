"""A sink of messages that their receiver does not answer: over UDP, TCP or TLS."""

from __future__ import annotations

from typing import Any

from pipeline.model.component import Payload, Sink, TLSConfig
from pipeline.transport.net.address import Address
from pipeline.transport.net.datagrams import Datagrams
from pipeline.transport.net.stream import Stream
from pipeline.transport.net.tls import tls_of


class OverSocket(Sink[Any]):
    """A sink over a socket, but for what it encodes: the scheme of its address says over which.
    `Payload.data` is a list of runs of datagrams where `_connection` is `Datagrams`, else bytes."""

    def __init__(self, address: Address, tls: TLSConfig | None, timeout: float) -> None:
        """`address` has the scheme `udp`, `tcp` or `tls`. `timeout` in seconds is for finding the
        address of a name, for connecting, and again for the TLS handshake. Raises `ConfigError`
        where `tls` does not go with the scheme."""
        tls = tls_of(address, tls)
        self._connection: Stream | Datagrams
        if address.scheme == "udp":
            self._connection = Datagrams(address, timeout=timeout)
        else:
            self._connection = Stream(address, tls, timeout=timeout)

    async def open(self) -> None:
        await self._connection.open()

    def reached(self) -> str:
        return self._connection.reached()

    async def send(self, payload: Payload[Any]) -> None:
        if isinstance(self._connection, Datagrams):
            payload.truncated += await self._connection.send(payload.data)
        else:
            await self._connection.send(payload.data)

    def unconfirmed(self) -> int:
        return self._connection.unconfirmed()

    def give_up(self) -> None:
        self._connection.give_up()

    async def close(self) -> None:
        await self._connection.close()
