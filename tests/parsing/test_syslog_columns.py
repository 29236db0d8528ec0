"""Syslog messages by their senders."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.model.timestamps import all_seconds, timestamp
from pipeline.parsing.syslog_columns import SyslogColumns, columns

NOW = 1769903999.0


def one(message: bytes) -> SyslogColumns:
    (found,) = columns([message], "10.0.0.1", NOW)
    return found


def test_rfc_5424_tells_who_when_and_what() -> None:
    found = one(
        b'<165>1 2026-01-31T23:59:59.003Z web-1 nginx 8710 ID47 [ex@32473 a="1" b="\xc3\xa9"] hi\n'
    )
    assert (found.host, found.app) == ("web-1", "nginx")
    assert (found.lines, found.times) == ([b"hi"], [b"2026-01-31T23:59:59.003000000Z"])
    assert found.fields == [
        {
            "facility": "local4",
            "severity": "notice",
            "appname": "nginx",
            "procid": 8710,
            "msgid": "ID47",
            "structured_data": {"ex@32473": {"a": "1", "b": "é"}},
        }
    ]


def test_rfc_3164_does_too() -> None:
    found = one(b"<34>Jan 31 22:14:15 router su[12]: failed")
    assert (found.host, found.app, found.lines) == ("router", "su", [b"failed"])
    assert found.fields == [{"facility": "auth", "severity": "crit", "appname": "su", "procid": 12}]


def test_what_is_neither_is_a_message_of_its_peer_at_this_time() -> None:
    found = one(b"just text")
    assert (found.host, found.app, found.lines) == ("10.0.0.1", "", [b"just text"])
    assert found.times == [timestamp(NOW)]
    assert found.fields == [{}]


def test_bytes_that_are_no_utf_8_are_the_same_in_the_message() -> None:
    found = one(b'<13>1 2026-01-31T23:59:59Z h app - - [x@1 k="\xc3\xa9"] a \xff\xfe \xc3\xa9 z')
    assert found.lines == [b"a \xff\xfe \xc3\xa9 z"]
    assert found.fields[0]["structured_data"] == {"x@1": {"k": "é"}}


def test_messages_are_sorted_by_sender_in_order_and_empty_ones_left_out() -> None:
    messages = [b"<13>Jan  1 00:00:00 h a: 1", b"", b"<13>Jan  1 00:00:00 h b: 2", b"\r\n\0",
                b"<13>Jan  1 00:00:00 h a: 3"]  # fmt: skip
    first, second = columns(messages, "peer", NOW, cut=[4])
    assert (first.app, first.lines, first.cut) == ("a", [b"1", b"3"], [1])
    assert (second.app, second.lines, second.cut) == ("b", [b"2"], [])


HEADS = st.sampled_from(
    [b"", b"<34>", b"<999>", b"<34>1 ", b"<34>1 2026-01-31T23:59:59.003Z h app 1 - ",
     b"<34>1 9999-99-99T99:99:99Z h app - - [", b"<34>Feb 30 99:99:99 h app[1]: ",
     b"<34>1 - - - - - [x@1 k=\"\\xff\"] ", b"Jan 31 22:14:15 h "]
)  # fmt: skip


@given(st.lists(st.builds(bytes.__add__, HEADS, st.binary(max_size=50)), max_size=5))
def test_any_message_is_taken(messages: list[bytes]) -> None:
    found = columns(messages, "peer", NOW)
    lines = sum(len(one.lines) for one in found)
    assert lines == sum(1 for message in messages if message.rstrip(b"\r\n\0"))
    for one in found:
        assert len(one.lines) == len(one.times) == len(one.fields)
        assert {len(time) for time in one.times} == {30}
        assert min(all_seconds(one.times)) >= 0
        assert one.host


HEAD = b"<13>1 2026-01-31T23:59:59Z web-1 app - - "


@pytest.mark.fault(102)
@pytest.mark.parametrize(
    "message",
    [
        HEAD + b"[x" + b"".join(b' p%d=""' % number for number in range(5000)) + b"]",
        HEAD + b"".join(b'[%d a=""]' % number for number in range(3000)),
        HEAD + b"".join(b"[%d]" % number for number in range(3000)),
        HEAD + b'[x a="' + b"y" * 50_000 + "\N{PILE OF POO}".encode() + b'"]',
    ],
    ids=["parameters", "elements", "empty elements", "wide"],
)
def test_what_structured_data_takes_in_memory_is_weighed(message: bytes) -> None:
    (one,) = columns([message], "peer", 0.0)
    assert one.fields[0]["structured_data"]
    assert in_memory(one.fields) <= one.weight < 8 * in_memory(one.fields)


def in_memory(value: Any) -> int:
    size = sys.getsizeof(value)
    if isinstance(value, dict):
        size += sum(in_memory(name) + in_memory(one) for name, one in value.items())
    elif isinstance(value, list):
        size += sum(map(in_memory, value))
    return size
