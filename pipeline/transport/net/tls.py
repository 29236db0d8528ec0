"""TLS as bytes in, bytes out, and the context that every connection verifies its peer with."""

from __future__ import annotations

import ssl
import time
from contextlib import suppress
from pathlib import Path

from pipeline.model.component import TLSConfig
from pipeline.model.errors import ConfigError, Unavailable
from pipeline.transport.net.address import Address

PIECE = 2**18
"""Bytes encrypted at a time: 0.1 ms of the event loop, and as much memory."""


def tls_of(address: Address, config: TLSConfig | None) -> TLSConfig | None:
    """The TLS that an address asks for by its scheme, with what is configured for it; None for a
    scheme without TLS.

    Raises `ConfigError` where the two do not go together.
    """
    if not address.scheme.endswith("tls") and address.scheme != "rediss":
        if config is not None:
            message = f"{address.scheme}:// is not encrypted, so a tls table has no meaning"
            raise ConfigError(message, path="address")
        return None
    check_key(config)
    return config or TLSConfig()


def check_key(config: TLSConfig | None) -> None:
    """Raises `ConfigError` for the key `tls.key` where there is a key without its certificate."""
    if config is not None and config.key and not config.cert:
        raise ConfigError("a key has no meaning without its certificate, cert", path="tls.key")


def client_context(config: TLSConfig) -> ssl.SSLContext:
    """The context that a client verifies its server with: TLS 1.2 and later, verification on. Reads
    the files that `config` names, so it blocks.

    Raises `Unavailable` with a sentence about the file that cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=config.ca)
    except (OSError, ssl.SSLError) as error:
        raise unreadable("ca", config.ca or "", error) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Python 3.13 turned strict RFC 5280 checks on; many private authorities do not pass them,
    # and no other log shipper asks for them.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if config.cert:
        try:
            # a password, so that an encrypted key is an error and not a prompt
            context.load_cert_chain(config.cert, config.key, password="")
        except (OSError, ssl.SSLError) as error:
            raise unreadable("cert", config.cert, error, config.key) from error
    return context


def unreadable(key: str, path: str, error: Exception, other: str | None = None) -> Unavailable:
    """The error to raise for what loading the PEM file `path` raised; `key` names it in the `tls`
    table, and `other` is a file that was loaded with it."""
    if isinstance(error, ssl.SSLError):
        both = f" and {other}" if other else ""
        return Unavailable(
            f"tls.{key}: {path}{both} cannot be used ({error.reason or error}); "
            "expected unencrypted PEM files that belong together"
        )
    missing = [name for name in (path, other) if name and not Path(name).exists()]
    if missing:
        return Unavailable(f"tls.{key}: there is no file {missing[0]}")
    return Unavailable(f"tls.{key}: {path} cannot be read: {getattr(error, 'strerror', error)}")


class TLS:
    """One connection's TLS state. Nothing here touches a socket.

    Whatever `outgoing` returns is to be sent; whatever was received goes into `decrypt`.
    """

    def __init__(self, context: ssl.SSLContext, server_name: str | None = None) -> None:
        """`server_name` is what a client's peer has to be; without it, this is the server."""
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._state = context.wrap_bio(
            self._incoming,
            self._outgoing,
            server_side=server_name is None,
            server_hostname=server_name,
        )
        self.ended = False
        """The peer has said that it sends no more."""

    def handshake(self, received: bytes) -> bool:
        """Goes on with the handshake; whether it is complete. Raises `ssl.SSLError`."""
        self._incoming.write(received)
        try:
            self._state.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    @property
    def version(self) -> str:
        """Such as `TLSv1.3`; empty before the handshake."""
        return self._state.version() or ""

    @property
    def expires(self) -> str:
        """The last day on which the peer's certificate is valid, such as `2027-01-31`."""
        until = (self._state.getpeercert() or {}).get("notAfter")
        if not isinstance(until, str):
            return ""
        return time.strftime("%Y-%m-%d", time.gmtime(ssl.cert_time_to_seconds(until)))

    def outgoing(self) -> bytes:
        """Takes what waits to be sent to the peer."""
        return self._outgoing.read()

    def encrypt(self, data: memoryview) -> bytes:
        """All that is to be sent for `data`, which should not be longer than `PIECE`."""
        while data:
            data = data[self._state.write(data) :]
        return self.outgoing()

    def decrypt(self, received: bytes) -> bytes:
        """What the peer said; also handles its tickets, key updates and alerts."""
        self._incoming.write(received)
        said = b""
        try:
            while part := self._state.read(65536):
                said += part
            self.ended = True
        except ssl.SSLWantReadError:
            pass
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            self.ended = True
        return said

    def goodbye(self) -> bytes:
        """What is to be sent to end our side: the alert `close_notify`."""
        with suppress(ssl.SSLError):  # it would wait for the peer's, which nobody needs
            self._state.unwrap()
        return self.outgoing()
