"""Lines made to take long: each is what some stage, or some pattern in one, has most to do with.

A line of each kind has about as many bytes as it is asked for.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final


def _of(part: bytes, before: bytes = b"", after: bytes = b"") -> Callable[[int], bytes]:
    """The part over and over."""

    def line(size: int) -> bytes:
        room = max(size - len(before) - len(after), len(part))
        return before + part * (room // len(part)) + after

    return line


def _listed(element: Callable[[int], bytes], before: bytes, after: bytes) -> Callable[[int], bytes]:
    """Different elements, with commas between them."""

    def line(size: int) -> bytes:
        count = max(1, (size - len(before)) // (len(element(size // 10)) + 1))
        return before + b",".join(map(element, range(count))) + after

    return line


def _nested(size: int) -> bytes:
    return b'{"a":' * (size // 6) + b"1" + b"}" * (size // 6)


def _json_in_json(size: int) -> bytes:
    inner = json.dumps({"p": "x" * (size // 2), "password": "y"})
    return json.dumps({"m": inner}).encode()


_CLF: Final = b'1.1.1.1 - - [01/Jan/2026:00:00:00 +0000] "GET '
_NGINX: Final = b"2026/01/01 00:00:00 [error] 1#1: *1 "
_APACHE: Final = b"[Sat Jan 01 00:00:00 2026] [core:error] [pid 1:tid 1] [client "
_KLOG: Final = b"I0131 23:59:59.000000 1 a.go:1] "
_SYSLOG: Final = b"<34>1 - - - - - "

KINDS: Final[dict[str, Callable[[int], bytes]]] = {
    "A": _of(b"A"),
    "A_": _of(b"A_"),
    "spaces": _of(b" "),
    "newlines": _of(b"\n"),
    "no UTF-8": _of(b"\xff"),
    "every byte": _of(bytes(range(256))),
    "colours": _of(b"\x1b[0m"),
    "levels": _of(b"ERRO"),
    "quotes": _of(b'"', b"a="),
    "equals": _of(b"=", b"a"),
    "backslashes": _of(b"\\"),
    "backslashes and an escape": _of(b"\\", b"\\u0041"),
    "escapes": _of(b"\\u0041"),
    "json of keys": _listed(lambda n: b'"k%d":%d' % (n, n), b"{", b"}"),
    "json of texts": _listed(lambda n: b'"k%d":"v%d"' % (n, n), b"{", b"}"),
    "json of objects": _of(b'{"b":1},', b'{"a":[', b"1]}"),
    "json of empty objects": _of(b"{},", b'{"records":[', b"{}]}"),
    "json of lists": _of(b"[" * 400 + b"]" * 400 + b",", b'{"a":[', b"1]}"),
    "json of numbers": _of(b"1,", b'{"a":[', b"1]}"),
    "json, nested": _nested,
    "json, a number": _of(b"9", b'{"n":', b"}"),
    "json, a text": _of(b"9", b'{"n":"', b'"}'),
    "json, escapes": _of(b"\\u0041", b'{"n":"', b'"}'),
    "json, quotes": _of(b'\\"', b'{"n":"', b'"}'),
    "json in json": _json_in_json,
    "list of objects": _of(b'{"a":1},', b"[", b"{}]"),
    "list of numbers": _of(b"1,", b"[", b"1]"),
    "logfmt": _listed(lambda n: b" k%d=%d" % (n, n), b"a=1", b""),
    "logfmt, one key": _of(b"a=b "),
    "logfmt, quoted": _of(b'a="" '),
    "logfmt, escapes": _of(b'\\"', b'a=1 b="', b'"'),
    "logfmt, quoted escapes": _of(b'a="\\n" '),
    "logfmt, words": _of(b"a ", b"a=1 "),
    "@": _of(b"@"),
    "a@": _of(b"a@"),
    "a@b.": _of(b"a@b."),
    "addresses": _of(b"a@bb.cc "),
    "a@b-c.": _of(b"a@b-c."),
    "a.": _of(b"a.", b"a@"),
    "%40": _of(b"a%40"),
    "digits": _of(b"4"),
    "cards": _of(b"4111111111111111,"),
    "cards, spaces": _of(b"4111 1111 1111 1111 "),
    "cards, dashes": _of(b"4-"),
    "ipv4": _of(b"1.2.3.4 "),
    "1.2.3.": _of(b"1.2.3."),
    "a:b:": _of(b"a:b:"),
    "::": _of(b"::"),
    "ipv6": _of(b"1:2:3:4:5:6:7:8 "),
    "eyJ": _of(b"eyJ"),
    "tokens": _of(b"eyJa.b.c "),
    "a token of dots": _of(b".", b"eyJa"),
    "AKIA": _of(b"AKIA"),
    "bearer": _of(b"bearer "),
    "bearer a1": _of(b"bearer abc1 "),
    "bearer -": _of(b"-", b"bearer "),
    "password=": _of(b"password="),
    'password="': _of(b'password="'),
    '"password":{': _of(b'"password":{"'),
    "password=v": _of(b"password=v "),
    "password, backslashes": _of(b"\\", b'password="'),
    "syslog": _of(b'b="c" ', _SYSLOG + b"[a ", b"] x"),
    "syslog, parameters": _of(b' b="\\]"', _SYSLOG + b"[a", b"] x"),
    "syslog, elements": _of(b"[a]", _SYSLOG),
    "syslog, unfinished": _of(b"[a", _SYSLOG),
    "syslog, old": _of(b"a", b"<34>Jan  1 00:00:00 h "),
    "access": _of(b'\\"', _CLF, b'" 200 1 "-" "-"'),
    "access, unfinished": _of(b"x [", b"1.1.1.1 - ", b'] "'),
    "access, users": _of(b"a a [", b"", b'] "'),
    "nginx": _of(b", client: a", _NGINX),
    "nginx, context": _of(b', client: a, server: b, request: "c" ', _NGINX),
    "nginx, server": _of(b", client: a, server: " + b"b" * 100, _NGINX),
    "apache": _of(b":1", _APACHE),
    "apache, spaces": _of(b" ", _APACHE + b"a:1] "),
    "klog": _of(b'a="b" ', _KLOG + b'"x" '),
    "klog, escapes": _of(b'\\"', _KLOG + b'"'),
    "klog, spaces": _of(b" ", b"I0131 23:59:59.000000 1"),
    "Error": _of(b" ", b"Error", b"x"),
    "Exception": _of(b"Exception "),
    "panic serving": _of(b"panic serving "),
    "goroutine": _of(b"a ", b"goroutine 1 "),
    "a:1:in": _of(b"a:1:in "),
    "A (": _of(b"A (", b"", b"):"),
    "A::": _of(b"A::", b"", b" (x):"),
    "a.A": _of(b"a.A"),
}  # fmt: skip
