"""Acknowledgements of JetStream read in C are those that Python reads."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import native
from pipeline.transport.nats.runs import acknowledged
from tests.native.examples import examples

SUBJECT = b"_INBOX.a+b.p"
BODY = b'{"stream":"S","seq":7}'


def message(token: int | bytes, body: bytes = BODY, size: bytes | None = None) -> bytes:
    digits = b"%d" % token if isinstance(token, int) else token
    length = b"%d" % len(body) if size is None else size
    return b"MSG %b%b 1 %b\r\n%b\r\n" % (SUBJECT, digits, length, body)


def read(c: native.Loops, data: bytes) -> tuple[int, list[tuple[bytes, int, int]]]:
    """Either way."""
    found = c.acknowledged(bytearray(data), SUBJECT, 1)
    assert found == acknowledged(bytearray(data), SUBJECT, 1)
    return found


def test_numbers_that_ascend_are_one_run(c: native.Loops) -> None:
    other = b'{"stream": "T", "seq": 1, "domain": "d", "duplicate": true}'
    data = b"".join([*map(message, [7, 8, 9, 11, 10, 10]), message(11, other), message(12, other)])
    assert read(c, data) == (
        len(data),
        [(b"S", 7, 10), (b"S", 11, 12), (b"S", 10, 11), (b"S", 10, 11), (b"T", 11, 13)],
    )


@pytest.mark.parametrize(
    "odd",
    [
        message(b""),
        message(b"07"),
        message(b"-7"),
        message(b"9" * 19),
        message(7, size=b"022").replace(b"022", b"0022"),
        message(7, size=b"21"),
        message(7, size=b"23"),
        message(7, size=b""),
        message(7, b'{"stream":"","seq":7}'),
        message(7, b'{"stream":"%b","seq":7}' % (b"s" * 256)),
        message(7, b'{"stream":"S\\n","seq":7}'),
        message(7, b'{"stream":"S\x7f","seq":7}'),
        message(7, b'{"stream":"S\xff","seq":7}'),
        message(7, b'{"stream":"S","seq":0}'),
        message(7, b'{"stream":"S","seq":-7}'),
        message(7, b'{"stream":"S","seq":%d}' % 10**19),
        message(7, b'{"stream":"S","seq":7,"duplicate":false}'),
        message(7, b'{"stream":"S","seq":7,"duplicate":true,"domain":"d"}'),
        message(7, b'{"stream":"S","seq":7,"domain":"d","domain":"d"}'),
        message(7, b'{"stream":"S","seq":7,}'),
        message(7, b'{"stream":"S","seq":7} '),
        message(7, b'{"error":{"code":503},"stream":"S","seq":0}'),
        message(7, b""),
        message(7).replace(b" 1 ", b" 11 "),
        message(7).replace(b"MSG", b"HMSG"),
        b"PING\r\n",
    ],
)
def test_it_ends_before_anything_else(c: native.Loops, odd: bytes) -> None:
    before = message(3) + message(4)
    assert read(c, before + odd + message(5)) == (len(before), [(b"S", 3, 5)])


@pytest.mark.parametrize(
    "body",
    [
        b'{"stream":"%b","seq":9223372036854775807}' % (b"s" * 255),
        b'{"stream":"S","seq":7,"domain":"d"}',
        b'{"stream":"S", "seq":7, "duplicate":true}',
    ],
)
def test_it_may_be_written_in_several_ways(c: native.Loops, body: bytes) -> None:
    data = message(0, body) + message(10**18 - 1, body)
    end, runs = read(c, data)
    assert end == len(data)
    assert [run[1:] for run in runs] == [(0, 1), (10**18 - 1, 10**18)]


def test_it_ends_before_one_that_is_not_whole(c: native.Loops) -> None:
    whole, last = message(1), message(2, b'{"stream":"S","seq":7,"domain":"d","duplicate":true}')
    for cut in range(len(last)):
        assert read(c, whole + last[:cut]) == (len(whole), [(b"S", 1, 2)])


@pytest.mark.parametrize(
    "odd", [(b"", SUBJECT, 1), (bytearray(), "s", 1), (bytearray(), b"s", "1")]
)
def test_what_is_of_another_type_is_an_error(c: native.Loops, odd: Any) -> None:
    with pytest.raises(TypeError):
        c.acknowledged(*odd)


WHOLE = b"".join(
    [message(8), message(9, b'{"stream": "T","seq":1,"domain":"x", "duplicate":true}')]
)


@settings(max_examples=examples(1000), deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), max_size=3),
    st.integers(0, len(WHOLE)),
)
def test_bytes_that_were_changed_are_read_the_same_either_way(
    c: native.Loops, changes: list[tuple[int, int]], end: int
) -> None:
    data = bytearray(WHOLE)
    for place, value in changes:
        data[place] = value
    read(c, bytes(data[:end]))


def test_nothing_is_kept_of_what_was_read(c: native.Loops) -> None:
    def read_them() -> int:
        for _ in range(200):
            c.acknowledged(bytearray(WHOLE + message(7) + b"x"), SUBJECT, 1)
        return sys.getallocatedblocks()

    read_them()
    first = read_them()
    assert max(read_them() - first, read_them() - first) < 100
