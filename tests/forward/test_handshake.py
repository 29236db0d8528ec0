"""Both sides of the handshake, in the bytes that Fluentd and Fluent Bit send and take."""

from __future__ import annotations

import hashlib
import os
from typing import Any

import msgpack
import pytest

from pipeline.forward.framing import ProtocolError
from pipeline.forward.handshake import Client, Hello, Server, new_salt, read_hello
from pipeline.forward.reading import objects

NONCE, AUTH = b"\xff\x80nonce of 16 b.", b"\xfe\x81auth of 16 by."
"""Random bytes are seldom UTF-8."""
CLIENT = Client("web-1", "key", "me", "pass")
SERVER = Server("hub-1", "key", {"me": "pass"})


def sha512(*parts: bytes) -> str:
    return hashlib.sha512(b"".join(parts)).hexdigest()


def text(data: bytes) -> bytes:
    """A MessagePack str of any bytes, as Fluent Bit packs it."""
    return (b"%c" % (0xA0 + len(data)) if len(data) < 32 else b"\xd9%c" % len(data)) + data


def binary(data: bytes) -> bytes:
    """A MessagePack bin, as Fluentd packs what is random."""
    return b"\xc4%c" % len(data) + data


def one(packed: bytes) -> Any:
    (said,) = objects(packed)
    return said


@pytest.mark.parametrize("pack", [text, binary])
@pytest.mark.parametrize("name", [text, binary])
def test_hello_may_be_text_or_binary(pack: Any, name: Any) -> None:
    options = name(b"nonce") + pack(NONCE) + name(b"auth") + pack(AUTH)
    assert read_hello(one(b"\x92" + name(b"HELO") + b"\x82" + options)) == Hello(NONCE, AUTH)


def test_all_that_a_client_shows_is_text_since_fluent_bit_takes_nothing_else() -> None:
    for hello in (Hello(NONCE, AUTH), Hello(NONCE)):
        salt = new_salt()
        ping = msgpack.unpackb(CLIENT.ping(hello, salt))
        assert [type(field) for field in ping] == [str] * 6
        assert ping[:3] == ["PING", "web-1", salt]
        assert ping[3] == sha512(salt.encode(), b"web-1", NONCE, b"key")
        secret = ["me", sha512(AUTH, b"me", b"pass")] if hello.auth else ["", ""]
        assert ping[4:] == secret
    assert new_salt() != new_salt()


@pytest.mark.parametrize("pack", [text, binary])
def test_a_client_that_knows_key_and_password_is_let_in(pack: Any) -> None:
    salt = os.urandom(16)
    fields = (
        b"PING", b"web-1", salt, sha512(salt, b"web-1", NONCE, b"key").encode(),
        b"me", sha512(AUTH, b"me", b"pass").encode(),
    )  # fmt: skip
    ping = one(b"\x96" + b"".join(map(pack, fields)))
    answer, why = SERVER.pong(ping, Hello(NONCE, AUTH))
    assert why == ""
    pong = ["PONG", True, "", "hub-1", sha512(salt, b"hub-1", NONCE, b"key")]
    assert msgpack.unpackb(answer) == pong


@pytest.mark.parametrize("pack", [text, binary])
def test_a_server_may_answer_with_text_or_binary(pack: Any) -> None:
    hello, salt = Hello(NONCE, AUTH), new_salt()
    digest = sha512(salt.encode(), b"fluentd", NONCE, b"key").encode()
    fine = b"\x95" + pack(b"PONG") + b"\xc3" + pack(b"") + pack(b"fluentd") + pack(digest)
    CLIENT.check_pong(one(fine), hello, salt)
    refused = b"\x95" + pack(b"PONG") + b"\xc2" + pack(b"no, \xff!") + pack(b"") + pack(b"")
    with pytest.raises(ProtocolError, match=r"^it refuses the login: no, \ufffd!$"):
        CLIENT.check_pong(one(refused), hello, salt)
