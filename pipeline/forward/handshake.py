"""HELO, PING and PONG: each end shows that it knows the shared key without saying it, and the
client who it is, where the server asks for users.

The digests are SHA-512, as hexadecimal. That shows who is there, and no more: what follows is
neither encrypted nor signed, which is for TLS to do.

Peers pack the same bytes as different types: Fluentd's nonce is a MessagePack bin, Fluent Bit's a
str that is not UTF-8. Either is taken, and digests are over the bytes. In PING and PONG nothing but
str is sent, since Fluent Bit takes no bin there.
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
    """What the server begins with."""

    nonce: bytes
    auth: bytes = b""
    """Another salt, where it asks for a user and a password."""

    @classmethod
    def new(cls, *, users: bool) -> Hello:
        return cls(os.urandom(SALT), os.urandom(SALT) if users else b"")

    def message(self) -> bytes:
        return _pack(("HELO", {"nonce": self.nonce, "auth": self.auth, "keepalive": True}))


def read_hello(said: Any) -> Hello:
    """Raises `ProtocolError`."""
    if not is_hello(said) or len(said) != 2 or not isinstance(said[1], Mapping):
        raise ProtocolError("it did not begin with HELO")
    options = {name_of(key): value for key, value in said[1].items()}
    return Hello(_bytes(options.get("nonce", b"")), _bytes(options.get("auth", b"")))


def new_salt() -> str:
    """Text, as that of Fluentd and Fluent Bit."""
    return os.urandom(SALT).hex()


def is_hello(said: Any) -> bool:
    """Whether it is meant to be one."""
    return isinstance(said, list) and len(said) > 0 and said[0] in ("HELO", b"HELO")


@dataclass(frozen=True)
class Client:
    """Its side."""

    host: str
    shared_key: str
    user: str = ""
    password: str = ""

    def ping(self, hello: Hello, salt: str) -> bytes:
        user = password = ""
        if hello.auth:
            user = self.user
            password = _digest(hello.auth, self.user, self.password)
        digest = _digest(salt, self.host, hello.nonce, self.shared_key)
        return _pack(("PING", self.host, salt, digest, user, password))

    def check_pong(self, said: Any, hello: Hello, salt: str) -> None:
        """Raises `ProtocolError` for a server that does not accept, or does not know the key."""
        if not isinstance(said, list) or len(said) != 5 or said[0] not in ("PONG", b"PONG"):
            raise ProtocolError("it did not answer PING with PONG")
        _, accepted, reason, host, digest = said
        if accepted is not True:
            why = name_of(reason)[:200] if isinstance(reason, (str, bytes)) else "for no reason"
            raise ProtocolError(f"it does not let us in: {why}")
        expected = _digest(salt, _bytes(host), hello.nonce, self.shared_key)
        if not _same(digest, expected):
            raise ProtocolError("it does not know the shared key")


@dataclass(frozen=True)
class Server:
    """Its side. `users` are passwords by name; none for everybody who has the key."""

    host: str
    shared_key: str
    users: Mapping[str, str]

    def pong(self, said: Any, hello: Hello) -> tuple[bytes, str]:
        """What to answer a PING, and why the client is not let in; empty if it is. Raises
        `ProtocolError` for what is no PING."""
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
    """A text of the peer's, as valid Unicode. Raises `ProtocolError` for what is none."""
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
