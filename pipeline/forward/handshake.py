"""HELO, PING and PONG: both ends prove that they know the shared key without sending it.

If the server asks for users, the client also proves that it knows a user's password. The digests
are SHA-512 in hexadecimal. What follows is neither encrypted nor signed: use TLS for that.

Peers encode the same bytes as different types: Fluentd's nonce is a MessagePack bin, Fluent Bit's a
str that is not UTF-8. Both are accepted, and digests are made of the bytes. In PING and PONG only
str is sent, since Fluent Bit does not accept bin there.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from pipeline.forward.framing import ProtocolError

_pack: Final = msgspec.msgpack.Encoder().encode
SALT: Final = 16
"""Random bytes of a nonce and of a salt."""


@dataclass(frozen=True)
class Hello:
    """HELO, the first message of a server that needs a shared key."""

    nonce: bytes
    """Random bytes for the digests of the shared key."""
    auth: bytes = b""
    """Random bytes for the digest of a password; empty if the server does not ask for users."""

    @classmethod
    def new(cls, *, users: bool) -> Hello:
        """A HELO with new random bytes, which asks for a user and password if `users` is true."""
        return cls(os.urandom(SALT), os.urandom(SALT) if users else b"")

    def message(self) -> bytes:
        """The HELO in MessagePack."""
        return _pack(("HELO", {"nonce": self.nonce, "auth": self.auth, "keepalive": True}))


def read_hello(said: Any) -> Hello:
    """Reads a decoded HELO. Raises `ProtocolError` for any other object."""
    if not is_hello(said) or len(said) != 2 or not isinstance(said[1], Mapping):
        raise ProtocolError("it did not begin with HELO")
    options = {name_of(key): value for key, value in said[1].items()}
    return Hello(_bytes(options.get("nonce", b"")), _bytes(options.get("auth", b"")))


def new_salt() -> str:
    """A random salt for PING, in hexadecimal like those of Fluentd and Fluent Bit."""
    return os.urandom(SALT).hex()


def is_hello(said: Any) -> bool:
    """Whether a decoded object is a HELO, well-formed or not."""
    return isinstance(said, list) and len(said) > 0 and said[0] in ("HELO", b"HELO")


@dataclass(frozen=True)
class Client:
    """The client's side of the handshake."""

    host: str
    """Name of the client's host."""
    shared_key: str
    user: str = ""
    """User to log in as, if the server asks for users."""
    password: str = ""

    def ping(self, hello: Hello, salt: str) -> bytes:
        """The PING that answers a HELO, in MessagePack. `salt` is from `new_salt`."""
        user = password = ""
        if hello.auth:
            user = self.user
            password = _digest(hello.auth, self.user, self.password)
        digest = _digest(salt, self.host, hello.nonce, self.shared_key)
        return _pack(("PING", self.host, salt, digest, user, password))

    def check_pong(self, said: Any, hello: Hello, salt: str) -> None:
        """Checks a decoded PONG, with the `hello` and `salt` of the PING.

        Raises `ProtocolError` if the server refuses, or does not know the key.
        """
        if not isinstance(said, list) or len(said) != 5 or said[0] not in ("PONG", b"PONG"):
            raise ProtocolError("it did not answer PING with PONG")
        _, accepted, reason, host, digest = said
        if accepted is not True:
            why = name_of(reason)[:200] if isinstance(reason, (str, bytes)) else "no reason given"
            raise ProtocolError(f"it refuses the login: {why}")
        expected = _digest(salt, _bytes(host), hello.nonce, self.shared_key)
        if not _same(digest, expected):
            raise ProtocolError("it does not know the shared key")


@dataclass(frozen=True)
class Server:
    """The server's side of the handshake."""

    host: str
    """Name of the server's host."""
    shared_key: str
    users: Mapping[str, str]
    """Passwords by user; if empty, the shared key is enough."""

    def pong(self, said: Any, hello: Hello) -> tuple[bytes, str]:
        """The PONG for a decoded PING, in MessagePack, and why the client is refused.

        The reason is empty for a client that is accepted. Raises `ProtocolError` for an object that
        is not a PING.
        """
        if not isinstance(said, list) or len(said) != 6 or said[0] not in ("PING", b"PING"):
            raise ProtocolError("it did not answer HELO with PING")
        host, salt, digest, user, password = map(_bytes, said[1:])
        if not _same(digest, _digest(salt, host, hello.nonce, self.shared_key)):
            return self._answer("shared_key mismatch"), "a wrong shared key"
        if self.users and not self._knows(user, password, hello):
            return self._answer("username/password mismatch"), "a wrong user or password"
        return self._answer("", _digest(salt, self.host, hello.nonce, self.shared_key)), ""

    def _knows(self, user: bytes, password: bytes, hello: Hello) -> bool:
        known = self.users.get(user.decode("utf-8", "replace"))
        expected = _digest(hello.auth, user, known if known is not None else os.urandom(SALT))
        return _same(password, expected) and known is not None

    def _answer(self, reason: str, digest: str = "") -> bytes:
        return _pack(("PONG", not reason, reason, self.host, digest))


def name_of(value: Any) -> str:
    """A peer's str or bin as text, with `U+FFFD` for what is not UTF-8.

    Raises `ProtocolError` for any other type.
    """
    return _bytes(value).decode("utf-8", "replace")


def _digest(*parts: str | bytes) -> str:
    return hashlib.sha512(b"".join(map(_bytes, parts))).hexdigest()


def _same(said: Any, expected: str) -> bool:
    return hmac.compare_digest(_bytes(said), expected.encode())


def _bytes(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    raise ProtocolError("a text was expected")
