"""What hostile containers write, over and over: one piece of output each, of a megabyte or so."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from random import Random
from typing import Final

PIECE: Final = 1 << 20
"""Bytes of output that a container writes at once, before it rests."""
SECRET: Final = "hunter2"
"""Stands in what a route with `redact` takes, and must stand nowhere behind it."""


def payloads(seed: int) -> dict[str, bytes]:
    """By name. The same seed gives the same bytes."""
    dice = Random(seed)
    made: dict[str, Callable[[Random], bytes]] = {
        "letters": _letters,
        "newlines": lambda _: b"\n" * 60_000,
        "indented": lambda _: _filled(b" " * 2048 + b"x", b"\t" * 2047 + b"y"),
        "deep": lambda _: _filled(b"[" * 100_000, b'{"a":' * 60_000 + b"1" + b"}" * 60_000),
        "keys": lambda _: _filled(_many_keys(10_000), _many_keys(3)),
        "numbers": lambda _: _filled(b'{"n":' + b"9" * 100_000 + b"}", b'{"n":1e999999,"m":-0.0}'),
        "pairs": lambda _: _filled(b'a="' * 5000, b"=" * 10_000, b'k="\\' + b'\\"' * 5000),
        "addresses": lambda _: _filled(b"a@" * 8000, b"a." * 8000 + b"@", b"1.2.3." * 4000),
        "digits": lambda _: _filled(b"4111 1111 1111 1112 " * 800, b"4-" * 10_000, b"0" * 30_000),
        "tokens": lambda _: _filled(b"eyJ" * 9000, b"eyJa.eyJb." * 2000, b"Bearer " * 3000),
        "places": lambda _: _filled(b"a:1:in" * 3000, b"A::" * 9000 + b" (", b"a/b.c:" * 5000),
        "traces": _traces,
        "noise": lambda d: d.randbytes(PIECE),
        "controls": lambda _: _filled(b"\x1b[2J\x1b]0;x\x07" * 300, b"\0" * 4000, b"\xff\xfe\r"),
        "lists": lambda _: _filled(b"[" + b"1," * 200_000 + b"1]", b"[" + b"{}," * 9000 + b"{}]"),
        "records": lambda _: _filled(b'{"records":[' + b"{}," * 9000 + b"{}]}"),
        "long": lambda _: b"x" * (3 * PIECE) + b"\n",
        "longest": lambda _: _filled(b"A" * (PIECE - 1)),
        "times": lambda _: _filled(b'{"ts":"9999-99-99T99:99:99.%sZ"}' % (b"9" * 9000)),
        "secrets": _secrets,
        "access": lambda _: _filled(b'1.1.1.1 - - [' + b"x" * 4000 + b'] "GET ' + b'\\"' * 4000),
        "priorities": lambda _: _filled(b"<34>1 " + b"- " * 4000 + b"[a b=\"" + b"\\]" * 3000),
    }  # fmt: skip
    return {name: make(dice) for name, make in made.items()}


def _filled(*lines: bytes) -> bytes:
    """These lines in turn, until they are a piece."""
    once = b"\n".join(lines) + b"\n"
    return once * max(1, PIECE // len(once))


def _letters(_: Random) -> bytes:
    lines = (b"  " + b"A" * 2046 if number % 20 == 0 else b"A" * 2048 for number in range(512))
    return b"\n".join(lines) + b"\n"


def _many_keys(count: int) -> bytes:
    return json.dumps({f"key{number}": [number, {"": None}] for number in range(count)}).encode()


_HEADS: Final = (
    b"Traceback (most recent call last):",
    b'Exception in thread "main" a.b.C: x',
    b"panic: x",
    b"goroutine 1 [running]:",
    b"TypeError: x",
    b"a.rb:1:in `b'",
    b"Unhandled exception. System.Exception: x",
)
_FURTHER: Final = (b"  File x", b"\tat a.b(C.java:1)", b"    at x (y:1:2)", b"\tfrom a.rb:1", b"")


def _traces(dice: Random) -> bytes:
    def lines() -> Iterable[bytes]:
        size = 0
        while size < PIECE // 4:
            line = dice.choice(_HEADS) if dice.random() < 0.1 else dice.choice(_FURTHER)
            size += len(line) + 1
            yield line

    return b"\n".join(lines()) + b"\n"


def _secrets(_: Random) -> bytes:
    secret = SECRET.encode()
    return _filled(
        b'{"password":"%s","a":{"Password":["%s"]}}' % (secret, secret),
        b"password=%s" % secret,
        b'{"a":{"b":{"password":{"c":"%s"}}},"n":1e999}' % secret,
        b'"password": "%s" \xff' % secret,
        b'{"password":"%s","\\ud800":1}' % secret,
    )
