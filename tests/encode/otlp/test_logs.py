"""Log records, as opentelemetry-proto reads them."""

from __future__ import annotations

import math
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.encode.otlp.records import RESERVED
from pipeline.encode.otlp.values import DEEPEST
from pipeline.model.batch import Batch
from pipeline.model.records import RecordReader, Records
from pipeline.model.timestamps import nanoseconds
from pipeline.testing.builders import batch, container
from pipeline.testing.hostile import hostile
from tests.encode.otlp.writing import OBSERVED, log_records, logs, requests
from tests.servers.otlp import plain, read_logs, records

pytestmark = pytest.mark.usefixtures("either_loops")

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def as_records(one: Batch) -> Batch:
    """The same batch, its JSON lines read as the stage `parse` reads them."""
    reader = RecordReader(
        lambda lines: [orjson.loads(line) for line in lines], orjson.loads, all_json=True
    )
    reader.read(one.lines)
    found = reader.read(one.lines)
    assert type(found) is Records
    return one.replace(parsed=found)


def parsed(*fields: dict[str, Any]) -> list[Batch]:
    """Lines that say this: with fields as dictionaries, and as records."""
    lines = [orjson.dumps(one) for one in fields]
    return [batch(*lines, fields=fields), as_records(batch(*lines))]


# -- what every record has -----------------------------------------------------------------------


def test_a_record_has_the_message_its_time_its_stream_and_its_number() -> None:
    one, two = log_records(batch("one", "two \u2603", streams="out err", start=16_383))
    assert one.time_unix_nano == nanoseconds(b"2026-01-31T23:59:59.000000000Z")
    assert two.time_unix_nano == one.time_unix_nano + 1000
    assert one.observed_time_unix_nano == two.observed_time_unix_nano == OBSERVED
    assert (one.body.string_value, two.body.string_value) == ("one", "two \u2603")
    assert plain(one.attributes) == {"log.iostream": "stdout", "event.sequence": 16_383}
    assert plain(two.attributes) == {"log.iostream": "stderr", "event.sequence": 16_384}
    assert not one.severity_number and not one.severity_text
    assert not one.trace_id and not one.span_id


@pytest.mark.parametrize("first", [0, 120, 16_380, 2_097_149, 268_435_453, 2**62, 2**63 - 9])
def test_numbers_of_any_size_are_themselves(first: int) -> None:
    found = log_records(batch(*["x"] * 8, start=first))
    numbers = [plain(one.attributes)["event.sequence"] for one in found]
    assert numbers == list(range(first, first + 8))


@given(st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=9))
def test_numbers_in_any_order_are_themselves(numbers: list[int]) -> None:
    lines = batch(*["x"] * len(numbers)).replace(sequences=numbers)
    found = log_records(lines)
    assert [plain(one.attributes)["event.sequence"] for one in found] == numbers


def test_parts_and_flags_are_told_of_the_entries_that_have_them() -> None:
    lines = batch("a", "b", "c").replace(
        sequences=[7, 7, 8], parts=[1, 2, 0], flags={8: "truncated"}
    )
    one, two, three = [plain(record.attributes) for record in log_records(lines)]
    assert (one["event.part"], two["event.part"]) == (1, 2)
    assert "event.part" not in three and "log.flags" not in two
    assert three["log.flags"] == ["truncated"]


def test_events_have_no_stream() -> None:
    (record,) = log_records(batch("start", streams="none", source="events", fields=[{"a": 1}]))
    assert plain(record.attributes) == {"event.sequence": 0, "a": 1}


def test_bytes_that_are_no_utf_8_become_replacement_characters() -> None:
    found = log_records(batch(b"\xc3", b"\xa9", "é", b"a\0b"))
    assert [one.body.string_value for one in found] == ["\ufffd", "\ufffd", "é", "a\0b"]


@pytest.mark.parametrize("length", [0, 1, 111, 127, 128, 16_383, 16_384, 2_097_152])
def test_messages_of_any_length_are_themselves(length: int) -> None:
    one, two = log_records(batch("x" * length, "short"))
    assert (one.body.string_value, two.body.string_value) == ("x" * length, "short")


@pytest.mark.parametrize(
    "time", [b"1969-12-31T23:59:59.999999999Z", b"2262-04-12T00:00:00.000000000Z"]
)
def test_a_time_that_no_receiver_holds_is_no_time(time: bytes) -> None:
    one, two = log_records(batch("a", "b").replace(times=[time, b"1970-01-01T00:00:01.000000000Z"]))
    assert (one.time_unix_nano, two.time_unix_nano) == (0, 10**9)


# -- containers ----------------------------------------------------------------------------------


def test_batches_of_a_container_have_its_resource_once() -> None:
    api, web = container("api-1"), container("web-1", number=2)
    request = logs(batch("a", of=api), batch(of=api), batch("b", of=api), batch("c", of=web))
    first, second = request.resource_logs
    assert plain(first.resource.attributes)["container.name"] == "api-1"
    assert plain(second.resource.attributes)["container.name"] == "web-1"
    (scope,) = first.scope_logs
    assert (scope.scope.name, scope.scope.version) == ("dockline", "1.2.3")
    assert [one.body.string_value for one in scope.log_records] == ["a", "b"]


# -- parsed fields -------------------------------------------------------------------------------


@pytest.mark.parametrize("way", [0, 1], ids=["dictionaries", "records"])
def test_parsed_fields_are_attributes_of_their_own_kind(way: int) -> None:
    told = {
        "text": "é", "empty": "", "yes": True, "no": False, "none": None, "n": -5, "big": 2**63,
        "least": -(2**63), "half": 0.5, "list": [1, "a", None], "map": {"a": {"b": 1}}, "nil": {},
    }  # fmt: skip
    first, second = log_records(parsed(told, {"n": 1})[way])
    found = plain(first.attributes)
    assert found.pop("event.sequence") == 0 and found.pop("log.iostream") == "stdout"
    assert found == told | {"big": "9223372036854775808"}
    assert plain(second.attributes) == {"event.sequence": 1, "log.iostream": "stdout", "n": 1}


@pytest.mark.parametrize("way", [0, 1], ids=["dictionaries", "records"])
def test_values_that_are_there_often_are_those_of_their_own_entries(way: int) -> None:
    told = [{"word": "ab"[n % 2], "n": n % 3, "mixed": (True, 1, "1")[n % 3]} for n in range(20)]
    found = [plain(one.attributes) for one in log_records(parsed(*told)[way])]
    assert [{name: one[name] for name in told[0]} for one in found] == told
    assert [type(one["mixed"]) for one in found[:3]] == [bool, int, str]


def test_numbers_that_json_does_not_have_are_numbers_all_the_same() -> None:
    (one,) = log_records(batch("x", fields=[{"nan": math.nan, "inf": -math.inf}]))
    found = plain(one.attributes)
    assert math.isnan(found["nan"]) and found["inf"] == -math.inf


def test_names_that_are_ours_are_kept_under_fields() -> None:
    fields = [{"event.sequence": "mine", "log.iostream": 1, "fields": {"x": 1}, "": "nameless"}, {}]
    one, two = log_records(batch("a", "b", fields=fields, start=5))
    assert plain(one.attributes) == {
        "log.iostream": "stdout",
        "event.sequence": 5,
        "_": "nameless",
        "fields": {"event.sequence": "mine", "log.iostream": 1, "fields": {"x": 1}},
    }
    assert plain(two.attributes) == {"log.iostream": "stdout", "event.sequence": 6}


def test_what_is_too_deep_is_json_text_from_there_on() -> None:
    value: Any = "bottom"
    for _ in range(DEEPEST + 2):
        value = [value]
    (one,) = log_records(batch("x", fields=[{"deep": value}]))
    found, levels = plain(one.attributes)["deep"], 0
    while isinstance(found, list):
        (found,), levels = found, levels + 1
    assert (levels, found) == (DEEPEST, '[["bottom"]]')


def test_an_entry_has_a_thousand_attributes_and_the_further_ones_are_together() -> None:
    told = {f"field-{number}": number for number in range(1003)}
    (one,) = log_records(batch("x", fields=[told]))
    found = plain(one.attributes)
    assert found["fields"] == {f"field-{number}": number for number in range(1000, 1003)}
    assert found["field-999"] == 999
    assert len(found) == 1000 + len(("fields", "event.sequence", "log.iostream"))


@pytest.mark.fault(132)
@pytest.mark.parametrize("body", ["message", "fields"])
def test_a_large_list_is_its_json_text(body: Any) -> None:
    (one,) = log_records(batch("x", fields=[{"list": [1] * 5000, "short": [1]}]), body=body)
    found = plain(one.attributes if body == "message" else one.body)
    assert orjson.loads(found["list"]) == [1] * 5000
    assert found["short"] == [1]


def test_a_body_of_too_many_fields_is_its_json_text() -> None:
    told = {f"field-{number}": number for number in range(1003)}
    (one,) = log_records(batch("x", fields=[told]), body="fields")
    assert orjson.loads(plain(one.body)) == told


def test_a_message_that_was_removed_is_no_body() -> None:
    (record,) = log_records(batch("gone", fields=[{"a": 1}], bare=True))
    assert not record.HasField("body")
    assert plain(record.attributes)["a"] == 1


# -- the other way round -------------------------------------------------------------------------


def test_fields_may_be_the_body_and_the_message_an_attribute() -> None:
    lines = batch("raw", "not parsed", fields=[{"msg": "hi", "n": {"a": [1]}}, {}])
    one, two = log_records(lines, body="fields")
    assert plain(one.body) == {"msg": "hi", "n": {"a": [1]}}
    assert plain(one.attributes)["log.record.original"] == "raw"
    assert plain(two.body) == "not parsed"
    assert "log.record.original" not in plain(two.attributes)


def test_fields_as_the_body_of_removed_messages_have_none_beside_them() -> None:
    lines = batch("raw", "raw", fields=[{"msg": "hi"}, {}], bare=True)
    one, two = log_records(lines, body="fields")
    assert plain(one.body) == {"msg": "hi"}
    assert not two.HasField("body")
    assert "log.record.original" not in plain(one.attributes)


# -- severity ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "number", "word"),
    [
        ({"level": "WARN"}, 13, "warning"),
        ({"level": "info"}, 9, "info"),
        ({"level": 50}, 17, "error"),
        ({"severity": "emerg"}, 21, "emergency"),
        ({"level": "alert"}, 19, "alert"),
        ({"level": "crit"}, 18, "critical"),
        ({"level": "notice"}, 10, "notice"),
        ({"level": "debug"}, 5, "debug"),
        ({"level": "FATAL"}, 21, "fatal"),
        ({"level": 60}, 21, "fatal"),
        ({"level": "trace"}, 1, "trace"),
        ({"lvl": " Trace "}, 1, "trace"),
        ({"level": "nothing", "severity": "fatal"}, 21, "fatal"),
        ({"log": {"level": "trace"}}, 1, "trace"),
        ({"level": 7}, 5, "debug"),
        ({"level": ["fatal"]}, 0, ""),
        ({"other": "error"}, 0, ""),
    ],
)
@pytest.mark.parametrize("way", [0, 1], ids=["dictionaries", "records"])
def test_a_level_is_a_number_and_a_word(
    way: int, fields: dict[str, Any], number: int, word: str
) -> None:
    one, two = log_records(parsed(fields, {"level": "error"})[way])
    assert (one.severity_number, one.severity_text) == (number, word)
    assert (two.severity_number, two.severity_text) == (17, "error")
    assert plain(one.attributes)[next(iter(fields))] == next(iter(fields.values()))


# -- traces --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trace", "span"),
    [
        ("trace_id", "span_id"),
        ("traceId", "spanId"),
        ("traceid", "spanid"),
        ("trace.id", "span.id"),
    ],
)
@pytest.mark.parametrize("way", [0, 1], ids=["dictionaries", "records"])
def test_an_entry_of_a_trace_is_in_that_trace(way: int, trace: str, span: str) -> None:
    told = {trace: TRACE.upper(), span: SPAN, "a": 1}
    one, two = log_records(parsed(told, {"a": 2})[way])
    assert (one.trace_id.hex(), one.span_id.hex()) == (TRACE, SPAN)
    assert plain(one.attributes) == {"log.iostream": "stdout", "event.sequence": 0, "a": 1}
    assert not two.trace_id and not two.span_id


@pytest.mark.parametrize(
    "fields",
    [
        {"trace_id": "0" * 32, "span_id": "0" * 16},
        {"trace_id": TRACE[:-1], "span_id": SPAN + "0"},
        {"trace_id": 12, "span_id": None},
        {"trace_id": "g" * 32, "span_id": "١" * 16},
        {"trace_id": TRACE + "\n", "span_id": f" {SPAN}"},
    ],
)
@pytest.mark.parametrize("way", [0, 1], ids=["dictionaries", "records"])
def test_what_is_no_id_is_a_field_like_any_other(way: int, fields: Any) -> None:
    (one,) = log_records(parsed(fields)[way])
    assert not one.trace_id and not one.span_id
    assert fields.items() <= plain(one.attributes).items()


def test_of_two_ids_the_first_valid_one_counts() -> None:
    (one,) = log_records(batch("x", fields=[{"trace_id": "none", "traceId": TRACE}]))
    assert one.trace_id.hex() == TRACE
    assert plain(one.attributes)["trace_id"] == "none"


def test_a_trace_is_told_beside_fields_that_are_the_body() -> None:
    (one,) = log_records(batch("x", fields=[{"trace_id": TRACE, "span_id": SPAN}]), body="fields")
    assert (one.trace_id.hex(), one.span_id.hex()) == (TRACE, SPAN)


# -- anything at all -----------------------------------------------------------------------------


@pytest.mark.parametrize("body", ["message", "fields"])
def test_hostile_batches_are_records_each(body: Any) -> None:
    for one in hostile():
        assert len(log_records(one, body=body)) == len(one)


_names = st.text(min_size=1)
_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_names, inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(st.dictionaries(_names, _json, max_size=5), min_size=1, max_size=4))
@example([dict.fromkeys(sorted(RESERVED), 1)])
def test_fields_are_read_as_they_were_written(fields: list[dict[str, Any]]) -> None:
    for told, one in zip(
        fields, log_records(batch(*["x"] * len(fields), fields=fields)), strict=True
    ):
        found = plain(one.attributes)
        read = {name: found["fields"][name] if name in RESERVED else found[name] for name in told}
        assert repr(read) == repr(told)


# -- dividing ------------------------------------------------------------------------------------


def test_a_request_is_divided_into_one_for_each_record_and_put_together_again() -> None:
    api, web = container("api-1"), container("web-1", number=2)
    lines = [batch("a", "b", of=api), batch("c", of=web), batch("d", of=web), batch("e", of=api)]
    to = requests()
    whole = to.logs(lines, OBSERVED)
    pieces = to.split_logs(whole)
    read = [read_logs(piece) for piece in pieces]
    assert [one.body.string_value for piece in read for one in records(piece)] == list("abcde")
    names = [plain(one.resource_logs[0].resource.attributes)["container.name"] for one in read]
    assert names == ["api-1", "api-1", "web-1", "web-1", "api-1"]
    assert to.join_logs(pieces) == whole
    some = read_logs(to.join_logs(pieces[1:3]))
    assert [one.body.string_value for one in records(some)] == ["b", "c"]
