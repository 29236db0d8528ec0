"""Clients that mean harm, of the sources and of the HTTP endpoint: each function is one attack."""

from __future__ import annotations

import os
import socket
import time
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from random import Random
from typing import Any, Final

import msgpack

Attack = Callable[[str, Mapping[str, int], Random], None]
"""Is given the address to attack, its ports and dice."""

_IDLE: Final = 120
"""Connections of those attacks that open many."""
_NOW: Final = 1_700_000_000
_CARD: Final = 4_111_111_111_111_111


def _say(address: tuple[str, int], *pieces: bytes, wait: float = 0.0) -> bytes:
    """What is answered, or nothing."""
    with suppress(OSError), socket.create_connection(address, timeout=3) as peer:
        for piece in pieces:
            peer.sendall(piece)
            time.sleep(wait)
        peer.shutdown(socket.SHUT_WR)
        return peer.recv(1 << 16)
    return b""


def _hold(address: tuple[str, int], first: bytes, seconds: float) -> None:
    """Many connections that say no more than `first`, for a while."""
    held = []
    for _ in range(_IDLE):
        with suppress(OSError):
            peer = socket.create_connection(address, timeout=1)
            held.append(peer)
            peer.sendall(first)
    time.sleep(seconds)
    for peer in held:
        peer.close()


# --------------------------------------------------------------------------------- forward


def _record(dice: Random) -> dict[Any, Any]:
    odd: list[Any] = [
        None, True, -1, 2**64 - 1, -(2**63), 1e308, float("nan"), float("inf"), b"\xff\xfe", "",
        "x" * 5000, [], {}, [[[[]]]], {b"k": {b"\xff": [b"v"]}}, msgpack.ExtType(5, b"x"),
        msgpack.Timestamp(2**33),
    ]  # fmt: skip
    record: dict[Any, Any] = {
        dice.choice(["log", "message", b"log", b"\xff", "", "a.b", "host", "@timestamp"]): (
            dice.choice(odd)
        )
        for _ in range(dice.randrange(6))
    }
    record[b"password"] = {b"password": b"hunter2"}
    if dice.random() < 0.5:
        record["log"] = dice.choice([b"line \xff", "password=hunter2", '{"password":"hunter2"}'])
    if dice.random() < 0.4:
        number = dice.randrange(2000)
        record["container_id"] = dice.choice([f"{number:064x}", "x", "\x00", b"\xff" * 64])
        names = [f"/made-up-{number}", b"/\xff\xfe", "/a\nb", "/\ud7ff"]
        record["container_name"] = dice.choice(names)
    return record


def forward_records(host: str, ports: Mapping[str, int], dice: Random) -> None:
    records = [[_NOW, _record(dice)] for _ in range(dice.randrange(1, 400))]
    tag: Any = dice.choice(["docker.x", b"\xff\xfe", "", "x" * 4096])
    option = {"chunk": dice.choice([b"\xff\xfe", "chunk", "x" * 500])}
    _say((host, ports["forward"]), _packed([tag, records, option]))


def forward_rubbish(host: str, ports: Mapping[str, int], dice: Random) -> None:
    bombs = (
        dice.randbytes(5000),
        b"\xdd\xff\xff\xff\xff" * 100,
        b"\x91" * 200_000,
        b"\xdf\xff\xff\xff\xff",
        _packed(["t", zlib.compress(b"\x90" * 50_000_000, 9), {"compressed": "gzip"}]),
        _packed(["t", [[_NOW, {f"k{n}": {} for n in range(50_000)}]]]),
        _packed(["t", b"\x92\x01\x80" * 300_000]),
        _packed(["t", _NOW, {"labels": {f"l{n}": "x" * 100 for n in range(5000)}, "log": "x"}]),
        _packed(["t", _NOW, {"lists": [[]] * 2_000_000}]),
        _packed(["t", [[_NOW, {"numbers": [1] * 2_000_000}]]]),
        _packed(["t", [[_NOW, {"log": "x", "cards": [_CARD] * 200}]] * 300]),
        _packed(["t", [[_NOW, {"log": "x", "cards": [_CARD] * 19_000}]]]),
        _packed(["t", [[_NOW, {f"k{n}": _CARD for n in range(100_000)}]]]),
    )
    for port in ("forward", "keyed"):
        _say((host, ports[port]), dice.choice(bombs))


def forward_strangers(host: str, ports: Mapping[str, int], dice: Random) -> None:
    """Who do not know the key, and say a little or much."""
    first = dice.choice(
        [
            b"",
            _packed(["PING", "x", b"salt", "digest", "", ""]),
            b"\xdb\x00\xff\xff\xff" + b"x" * 8000,
        ]
    )
    _hold((host, ports["keyed"]), first, 5)


def forward_datagrams(host: str, ports: Mapping[str, int], dice: Random) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        for _ in range(200):
            with suppress(OSError):
                peer.sendto(dice.choice([b"\0", b"", b"x" * 1400]), (host, ports["forward"]))


# ---------------------------------------------------------------------------------- syslog


def syslog_messages(host: str, ports: Mapping[str, int], dice: Random) -> None:
    host_number, name = dice.randrange(10**6), dice.randrange(10**6)
    messages = [
        b'<34>1 2026-01-01T00:00:00Z h%d a%d p - [x y="\\]"] m' % (host_number, name),
        b"<999>x", b"<34>1 " + b"- " * 3000, b"<34>Oct 11 22:14:15 \xff\xfe su: x", b"\0" * 100,
        b"<34>1 9999-99-99T99:99:99Z - - - - " + b"[a" * 4000, b"<34>1 - \xff\xff \x00 - - - m",
    ]  # fmt: skip
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        for _ in range(300):
            with suppress(OSError):
                peer.sendto(dice.choice(messages), (host, ports["syslog_udp"]))
    framed = b"".join(b"%d %s" % (len(one), one) for one in messages * 20)
    ends = dice.choice([b"99999999999 x", b"0 ", b"-5 x", b"1" * 5000, b"x" * 300_000, b""])
    _say((host, ports["syslog_tcp"]), framed, ends)


# ------------------------------------------------------------------------------------ HTTP


def http_idle(host: str, ports: Mapping[str, int], dice: Random) -> None:
    first = dice.choice([b"", b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: ", b"GET / HTTP/1.1\r\n"])
    _hold((host, ports["admin"]), first, 8)


def http_rubbish(host: str, ports: Mapping[str, int], dice: Random) -> None:
    get, post = b"GET %s HTTP/1.1\r\nHost: %s\r\n", b"POST /-/reload HTTP/1.1\r\nHost: x\r\n"
    requests = (
        b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01" + os.urandom(300),
        get % (b"/" * 20_000, b"x") + b"\r\n",
        get % (b"/metrics", b"x") + b"X: y\r\n" * 5000 + b"\r\n",
        get % (b"/metrics", b"\xff") + b"Accept: " + b"a;q=1," * 500 + b"\r\n\r\n",
        get % (b"/tap", b"127.0.0.1") + b"\r\n", get % (b"/audit", b"localhost") + b"\r\n",
        get % (b"/top", b"x") + b"Authorization: Bearer " + b"x" * 4000 + b"\r\n\r\n",
        post + b"Content-Length: 99999999999\r\n\r\n" + b"x" * 100_000,
        post + b"Transfer-Encoding: chunked\r\n\r\nzzz\r\n",
    )  # fmt: skip
    answer = _say((host, ports["admin"]), dice.choice(requests))
    assert b"hunter2" not in answer, "lines came out without a token"


def http_scrapes(host: str, ports: Mapping[str, int], dice: Random) -> None:
    """Who ask for the metrics and read them slowly, or not at all."""
    request = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
    _hold((host, ports["admin"]), request * dice.choice([1, 50]), 3)


ATTACKS: Final[tuple[Attack, ...]] = (
    forward_records, forward_rubbish, forward_strangers, forward_datagrams, syslog_messages,
    http_idle, http_rubbish, http_scrapes,
)  # fmt: skip


def _packed(value: Any) -> bytes:
    return bytes(msgpack.packb(value, unicode_errors="surrogatepass"))
