"""Syslog messages: what they say, how they are framed, what they leave out."""

import os
import re
from dataclasses import replace
from itertools import chain
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.encode.syslog import FACILITIES, SyslogEncoder, structured_data
from pipeline.model.batch import Batch
from pipeline.model.container import Container
from pipeline.model.datagrams import one_by_one
from pipeline.testing import builders
from pipeline.testing.hostile import hostile

pytestmark = pytest.mark.usefixtures("either_loops")

SERVICE = {"com.docker.compose.service": "api"}
API = Container("0123456789ab" + "0" * 52, "shop-api-1", "shop/api", SERVICE, host="web-1")
ALONE = replace(API, labels={})


def batch(*lines: bytes, of: Container = API, **columns: Any) -> Batch:
    """Entries of the same time."""
    made = builders.batch(*lines, of=of, **columns)
    return made.replace(times=[b"2026-01-31T23:59:59.123456789Z"] * len(made))


OWN_PID = b"%d" % os.getpid()

HEADER = b"<30>1 2026-01-31T23:59:59.123456Z web-1 api 0123456789ab - - "

RFC5424 = re.compile(
    rb"<(?P<pri>\d{1,3})>1 (?P<time>\S+) (?P<host>[!-~]{1,255}) (?P<app>[!-~]{1,48}) "
    rb"(?P<pid>[!-~]{1,128}) - (?P<sd>-|(\[.*\])+) (?P<msg>.*)",
    re.DOTALL,
)


FLUENT_BIT = re.compile(
    rb"<(?P<pri>[0-9]{1,5})>1 (?P<time>[^ ]+) (?P<host>[^ ]+) (?P<ident>[^ ]+) (?P<pid>[-0-9]+) "
    rb"(?P<msgid>[^ ]+) (?P<extradata>(\[(.*?)\]|-)) (?P<message>.+)$"
)
"""Its stock parser `syslog-rfc5424`."""


def messages(data: bytes) -> list[bytes]:
    """Takes octet-counted messages apart, as a strict receiver would."""
    found = []
    while data:
        length, space, data = data.partition(b" ")
        assert space and length.isdigit() and not length.startswith(b"0")
        found.append(data[: int(length)])
        assert len(found[-1]) == int(length)
        data = data[int(length) :]
    return found


def one(*args: bytes, encoder: SyslogEncoder | None = None, **kwargs: object) -> bytes:
    """The only message of a batch."""
    (message,) = messages((encoder or SyslogEncoder()).stream([batch(*args, **kwargs)]).data)
    return message


# -- the message -------------------------------------------------------------------------------


def test_a_message_is_rfc_5424_with_six_digits_of_fraction() -> None:
    assert one(b"hello") == HEADER + b"hello"


def test_an_rfc_3164_message_has_the_local_time_and_a_tag_with_the_short_id() -> None:
    encoder = SyslogEncoder(standard="rfc3164")
    header = rb"<30>(Jan 31|Feb  1) \d\d:\d\d:59 web-1 api\[0123456789ab\]: "
    assert re.fullmatch(header + b"hello", one(b"hello", encoder=encoder))


def test_severity_is_by_stream_unless_the_entry_tells_its_level() -> None:
    fields = [{}, {}, {"level": "error"}, {"level": 20}, {}]
    entries = batch(*[b"x"] * 5, fields=fields, streams="out err out err none")
    data = SyslogEncoder(facility="local0").stream([entries]).data
    found = [int(RFC5424.fullmatch(message)["pri"]) for message in messages(data)]
    assert found == [16 * 8 + severity for severity in (6, 3, 3, 7, 6)]


@pytest.mark.parametrize(("facility", "number"), [("kern", 0), ("daemon", 3), ("local7", 23)])
def test_a_facility_has_its_number(facility: str, number: int) -> None:
    assert FACILITIES.index(facility) == number
    assert one(b"", encoder=SyslogEncoder(facility=facility)).startswith(b"<%d>" % (number * 8 + 6))


def test_the_app_name_is_the_service_or_else_the_container() -> None:
    assert RFC5424.fullmatch(one(b""))["app"] == b"api"
    assert RFC5424.fullmatch(one(b"", of=ALONE))["app"] == b"shop-api-1"


def test_the_host_of_the_configuration_stands_in_for_a_container_without_one() -> None:
    encoder = SyslogEncoder(host="fallback")
    assert b" fallback api " in one(b"", of=replace(API, host=""), encoder=encoder)
    assert b" - api " in one(b"", of=replace(API, host=""))


def test_header_fields_are_printable_ascii_within_their_limits() -> None:
    odd = replace(ALONE, name="ü b\n" * 30, host="h\x00 %s" * 100)
    found = RFC5424.fullmatch(one(b"x", of=odd))
    assert (len(found["host"]), len(found["app"])) == (255, 48)
    assert found["host"].startswith(b"h__%sh__%s")
    assert found["app"].startswith(b"?_b_?_b_")


def test_a_tag_of_rfc_3164_holds_nothing_that_could_end_it() -> None:
    encoder = SyslogEncoder(standard="rfc3164")
    odd = replace(ALONE, name="a:b[c] d/e" * 5)
    assert one(b"x", of=odd, encoder=encoder).split(b" ")[-2] == (
        b"a_b_c__d_ea_b_c__d_ea_b_c__d_ea_[0123456789ab]:"
    )


@pytest.mark.parametrize(
    ("proc_id", "is_said"), [("pid", OWN_PID), ("-", b"-")], ids=["pid", "none"]
)
@pytest.mark.parametrize("framing", ["octet-counting", None])
def test_a_procid_may_be_a_number_or_none(proc_id: Any, is_said: bytes, framing: Any) -> None:
    encoder = SyslogEncoder(proc_id=proc_id, framing=framing)
    made = (encoder.stream if framing else encoder.datagrams)([batch(b"hello")])
    data = made.data if framing else one_by_one(made.data[0])[0]
    assert FLUENT_BIT.search(data)["pid"] == is_said
    assert not FLUENT_BIT.search(HEADER + b"hello")


@pytest.mark.parametrize(
    ("proc_id", "tag"), [("pid", b"api[%b]: x" % OWN_PID), ("-", b"api: x")], ids=["pid", "none"]
)
def test_so_may_be_what_stands_in_the_brackets_of_rfc_3164(proc_id: Any, tag: bytes) -> None:
    encoder = SyslogEncoder(standard="rfc3164", proc_id=proc_id)
    assert one(b"x", encoder=encoder).endswith(b" web-1 " + tag)


def test_entries_without_a_message_show_their_fields() -> None:
    assert one(b"ignored", fields=[{"status": 500}], bare=True) == HEADER + b'{"status":500}'


def test_structured_data_is_escaped_as_the_rfc_says() -> None:
    rendered = structured_data({"a@1": {"x": 'q"]\\\n', "y": "é"}, "token@41058": {}})
    assert rendered == r'[a@1 x="q\"\]\\ " y="é"][token@41058]'
    message = one(b"x", encoder=SyslogEncoder(structured_data=rendered))
    assert message == HEADER[:-2] + rendered.encode() + b" x"


@given(st.binary())
def test_a_message_keeps_its_bytes_but_nul(line: bytes) -> None:
    assert one(line) == HEADER + line.replace(b"\0", b" ")


# -- framing -----------------------------------------------------------------------------------


def test_octet_counts_are_right_beyond_the_table_of_numbers() -> None:
    lines = [b"x" * length for length in (0, 8129, 8130, 8131, 99_999)]
    data = SyslogEncoder(max_message=200_000).stream([batch(*lines)]).data
    assert messages(data) == [HEADER + line for line in lines]


def test_octet_counts_are_right_where_priorities_differ_in_digits() -> None:
    lines, fields = [b"x", b"y"], [{"level": "alert"}, {"level": "debug"}]
    data = SyslogEncoder(facility="user").stream([batch(*lines, fields=fields)]).data
    assert data == b"61 <9>1" + HEADER[5:] + b"x62 <15>1" + HEADER[5:] + b"y"


def test_a_line_feed_ends_a_message_and_stands_nowhere_else() -> None:
    encoder = SyslogEncoder(framing="lf")
    data = encoder.stream([batch(b"a\nb\r\nc\0d", b"", b"e")]).data
    assert data == b"".join([HEADER + b"a b  c d\n", HEADER + b"\n", HEADER + b"e\n"])


def test_a_datagram_is_a_message_without_framing() -> None:
    payload = SyslogEncoder(framing=None).datagrams([batch(b"a\nb"), batch(b"c", streams="err")])
    assert list(chain.from_iterable(map(one_by_one, payload.data))) == [
        HEADER + b"a\nb",
        HEADER.replace(b"30", b"27") + b"c",
    ]
    assert (payload.entries, payload.size) == (2, 2 * len(HEADER) + 4)


def test_batches_of_many_containers_keep_their_order() -> None:
    other = replace(ALONE, name="web")
    encoder = SyslogEncoder(framing="lf")
    payload = encoder.stream([batch(b"1", b"2"), batch(b"3", of=other), batch(), batch(b"4")])
    assert [line[-1:] for line in payload.data.splitlines()] == [b"1", b"2", b"3", b"4"]
    assert payload.data.count(b" web ") == 1
    assert (payload.entries, payload.size) == (4, len(payload.data))


# -- limits ------------------------------------------------------------------------------------


@pytest.mark.parametrize("framing", ["octet-counting", "lf"])
def test_a_message_over_the_limit_is_cut_to_it_and_counted(framing: str) -> None:
    encoder = SyslogEncoder(framing=framing, max_message=len(HEADER) + 5)
    payload = encoder.stream([batch(b"12345", b"123456", b"1" * 99)])
    assert payload.truncated == 2
    assert payload.data.count(HEADER + b"12345") == 2
    assert payload.data.count(HEADER + b"11111") == 1


@given(st.text(min_size=20), st.integers(0, 19))
def test_a_cut_leaves_whole_characters(text: str, room: int) -> None:
    line = text.encode("utf-8", "replace")
    message = one(line, encoder=SyslogEncoder(max_message=len(HEADER) + room))
    kept = message[len(HEADER) :]
    kept.decode()
    assert line.replace(b"\0", b" ").startswith(kept)
    assert room - 3 <= len(kept) <= room


def test_a_cut_of_what_is_not_utf_8_is_exact() -> None:
    message = one(b"\x80" * 20, encoder=SyslogEncoder(max_message=len(HEADER) + 9))
    assert message == HEADER + b"\x80" * 9


def test_a_limit_below_the_header_leaves_the_header() -> None:
    payload = SyslogEncoder(max_message=10).stream([batch(b"x", b"")])
    assert messages(payload.data) == [HEADER, HEADER]
    assert payload.truncated == 1


@pytest.mark.parametrize("standard", ["rfc5424", "rfc3164"])
@pytest.mark.parametrize("framing", ["octet-counting", "lf", None])
def test_hostile_batches_stay_within_frame_and_limit(standard: str, framing: str | None) -> None:
    encoder = SyslogEncoder(standard=standard, framing=framing, max_message=2048)
    entries = sum(map(len, hostile()))
    if framing is None:
        found = list(chain.from_iterable(map(one_by_one, encoder.datagrams(hostile()).data)))
    elif framing == "lf":
        found = encoder.stream(hostile()).data.split(b"\n")[:-1]
    else:
        found = messages(encoder.stream(hostile()).data)
    assert len(found) == entries
    assert all(message.startswith(b"<") and b"\0" not in message for message in found)
    assert max(map(len, found)) == 2048


def test_a_renamed_container_gets_a_header_of_its_own() -> None:
    encoder = SyslogEncoder()
    renamed = replace(ALONE, name="new")
    assert RFC5424.fullmatch(one(b"", of=ALONE, encoder=encoder))["app"] == b"shop-api-1"
    assert RFC5424.fullmatch(one(b"", of=renamed, encoder=encoder))["app"] == b"new"
