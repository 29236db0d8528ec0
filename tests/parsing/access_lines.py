"""Lines of access logs, usual and odd, for the properties of what reads them."""

from __future__ import annotations

from hypothesis import strategies as st

_WORDS = st.sampled_from(
    [b"10.0.0.1", b"::1", b"-", b"", b"frank", b"a\xffb", "größe".encode(), b"\xe2\x82",
     b"\xc2\x85", b"a\tb", b"a\x1cb", b"\x00", b"I0131", b"<34>Oct", b"{", b"[x]", b"a b",
     b"\xef\xbb\xbf"]
)  # fmt: skip
_TIMES = st.sampled_from(
    [b"31/Jan/2026:23:59:59 +0000", b"01/Dec/0000:99:99:99 -0000", b"10/Oct/2000:13:55:36 -0730",
     b"10/Xxx/2000:13:55:36 +0200", b"1/Oct/2000:13:55:36 +0200", b"10/OCT/2000:13:55:36 +0200",
     b"10/Oct/2000:13:55:36 0200", b"10/Oct/2000:13:55:3\xd9 +0200", b"x", b""]
)  # fmt: skip
_REQUESTS = st.sampled_from(
    [b"GET /a?b=c HTTP/1.1", b"-", b"", b"GET /", b"GET  HTTP/1.1", b"GET   HTTP/1.1", b" / HTTP/",
     b"GET /a b HTTP/2.0", b"GET / http/1.1", b"\\x16\\x03", b'a\\"b / HTTP/1', b"\\", b"\\\\",
     b" ", b"\xff \xff HTTP/\xff", b"a\\\xe2\x82\xacb / HTTP/1.1", b'"', b"HTTP/1.1", b"[",
     b"\n / HTTP/1"]
)  # fmt: skip
_STATUSES = st.sampled_from([b"200", b"502", b"-", b"007", b"20", b"2000", b"", b"2\xb2"])
_SIZES = st.sampled_from(
    [b"0", b"517", b"-", b"007", b"9" * 18, b"9" * 19, b"", b"5x", b"-5", b"517\r", b"1\t"]
)
_INSIDE = st.sampled_from(
    [b"-", b"", b"curl/8.5.0", b"a b", b'\\"q\\"', b"\\\\", b"\\", b"\xff", b"0.003", b"1234.567",
     b"1234567890.123", b"10.0.0.1, ::1", b"\n", b'x"', b"0.00\xb2"]
)  # fmt: skip
_QUOTED = _INSIDE.map(lambda text: b' "' + text + b'"') | st.sampled_from(
    [b' "', b'"-"', b'  "-"', b' "a"b']
)
_SECONDS = st.sampled_from(
    [b"0.003", b"-", b"123456789.001", b"1234567890.001", b"0.0031", b"0.01", b".003", b"1", b"x",
     b"0.001, 0.002", b"0.001 : 0.002", b"-, 0.1", b"-1.000", b"", b"0.003s", b"0.00\xb2"]
)  # fmt: skip
_NAMED = st.sampled_from(
    [b"", b"rt=", b"uct=", b"uht=", b"urt=", b"ut=", b"request_time=", b"upstream_connect_time=",
     b"upstream_header_time=", b"upstream_response_time=", b"x=", b"r=", b"rt", b"=", b"1rt=",
     b"n" * 40 + b"=", b"n" * 41 + b"="]
)  # fmt: skip
_BEHIND = st.one_of(
    st.tuples(st.sampled_from([b" ", b"  ", b"\t", b""]), _NAMED, _SECONDS).map(b"".join),
    st.tuples(_NAMED, _SECONDS).map(lambda pair: b" " + pair[0] + b'"' + pair[1] + b'"'),
    _QUOTED,
    st.sampled_from(
        [b"\r", b" ", b"\x0b", b"\x1c", b"\x85", b" " * 1200,
         b" 80 0.003 [shop-web-80] [] 10.244.0.9:8080 0 0.002 304 6d0f5e0b", b" 80 0.003 [a]"]
    ),
)  # fmt: skip


def _usual(value: bytes, odd: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    return st.integers(0, 9).flatmap(lambda number: odd if number == 9 else st.just(value))


_LINES = st.tuples(
    _usual(b"10.0.0.1", _WORDS),
    _usual(b" ", st.sampled_from([b"", b"  ", b"\t", b"\xa0"])),
    _usual(b"-", _WORDS),
    _usual(b" ", st.sampled_from([b"", b"  ", b"\n"])),
    _usual(b"-", _WORDS),
    _usual(b" [", st.sampled_from([b"[", b" ", b" [[", b"  ["])),
    _usual(b"31/Jan/2026:23:59:59 +0000", _TIMES),
    _usual(b'] "', st.sampled_from([b']"', b"] ", b'] ""'])),
    _usual(b"GET / HTTP/1.1", _REQUESTS),
    _usual(b'" ', st.sampled_from([b'"', b'\t"', b" "])),
    _usual(b"200", _STATUSES),
    _usual(b" ", st.sampled_from([b"", b"\t"])),
    _usual(b"517", _SIZES),
    st.lists(_QUOTED, max_size=3).map(b"".join) | st.just(b' "-" "curl"'),
    st.lists(_BEHIND, max_size=4).map(b"".join),
).map(b"".join)

_USUAL = b'::1 - bob [31/Jan/2026:23:59:59 +0100] "GET / HTTP/1.1" 200 5 "-" "curl" "-" rt=0.003'


def _changed(changes: list[tuple[int, int]]) -> bytes:
    line = bytearray(_USUAL)
    for place, value in changes:
        line[place] = value
    return bytes(line)


CHANGED = st.lists(
    st.tuples(st.integers(0, len(_USUAL) - 1), st.integers(0, 255) | st.sampled_from(b' "[]\\-./')),
    max_size=3,
).map(_changed)
"""A usual line with other bytes in it."""

ACCESS_LINES = _LINES | CHANGED | st.integers(0, len(_USUAL)).map(lambda end: _USUAL[:end])

MIXED = st.lists(
    ACCESS_LINES
    | st.sampled_from(
        [b"", b"text", b'{"a":1}', b' {"client":"x"}', b"level=info msg=x", b"a=1 client=2",
         b"I0131 23:59:59.000000 1 a.go:10] x", b"<34>Oct 11 22:14:15 mymachine su: a=1 b=2",
         b'2026/01/31 23:59:59 [error] 7#7: *1 x, client: ::1, request: "GET / HTTP/1.1"',
         b"[Sat Jan 31 23:59:59.123456 2026] [core:error] [pid 7:tid 8] [client ::1:5] x",
         b'{"a\\"b":1}']
    ),
    min_size=1,
    max_size=8,
)  # fmt: skip
"""Lines of a container that writes all kinds of things."""
