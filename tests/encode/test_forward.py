"""Entries of the Fluent forward protocol, read back with the msgpack package."""

from __future__ import annotations

import json
import math
from typing import Any

import msgpack
import pytest

from pipeline.encode.forward import ForwardEncoder, event_times
from pipeline.encode.json import JsonEncoder
from pipeline.model.batch import Batch
from pipeline.model.dumps import DEEPEST
from pipeline.model.records import RecordReader, Records
from pipeline.parsing import json as json_lines
from pipeline.testing.builders import batch, container
from pipeline.testing.hostile import LINES, ODD, hostile


def read(data: bytes, errors: str = "surrogateescape") -> list[tuple[bytes, dict[str, Any]]]:
    """EventTime as bytes, and record."""
    unpacker = msgpack.Unpacker(unicode_errors=errors, strict_map_key=True)
    unpacker.feed(data)
    entries = list(unpacker)
    for time, record in entries:
        assert (time.code, len(time.data)) == (0, 8)
        assert type(record) is dict
    return [(time.data, record) for time, record in entries]


def records(one: Batch) -> list[dict[str, Any]]:
    return [record for _, record in read(ForwardEncoder(host="h").encode(one))]


def as_json(one: Batch) -> list[dict[str, Any]]:
    """What JSON says, without its time."""
    lines = JsonEncoder(host="h").encode([one]).split(b"\n")[:-1]
    return [
        {key: value for key, value in json.loads(line).items() if key != "@timestamp"}
        for line in lines
    ]


def parsed(*lines: str) -> Batch:
    """A batch of records, as `parse` leaves it."""
    reader = RecordReader(json_lines.parse, lambda line: {}, all_json=True)
    raw = [line.encode() for line in lines]
    reader.read(raw)
    found = reader.read(raw)
    assert type(found) is Records
    return batch(*lines).replace(fields=found)


SHOP = container("api-1", labels={"com.docker.compose.project": "shop", "a.b": "100%"})


@pytest.mark.parametrize(
    "one",
    [
        batch("one", "two", of=SHOP),
        batch("one", "two", streams="out err", flags={1: "truncated"}),
        batch("one", "two", fields=[{}, {"status": 500, "level": "error", "host": "taken"}]),
        batch("one", fields=[{"a": [1, {"b": None}], "c": 1.5, "d": True}], bare=True),
        batch("x", "y", "z").replace(sequences=[7, 7, 8], parts=[1, 2, 0]),
        batch("start", streams="none", source="events", fields=[{"action": "start"}]),
        parsed('{"a": 1, "b": "é"}', '{"a": 2}'),
        parsed('{"a": 1, "container": 1}'),
    ],
)
def test_a_record_has_what_json_has(one: Batch) -> None:
    assert records(one) == as_json(one)


def test_event_time_is_exact_to_the_nanosecond() -> None:
    times = [b"2026-01-31T23:59:59.123456789Z", b"2026-01-31T23:59:59.000000001Z"]
    seconds = 1769903999
    assert event_times(times) == [
        seconds.to_bytes(4, "big") + (123456789).to_bytes(4, "big"),
        seconds.to_bytes(4, "big") + (1).to_bytes(4, "big"),
    ]


def test_a_time_that_event_time_cannot_say_is_the_nearest_that_it_can() -> None:
    before, after = event_times(
        [b"1969-12-31T23:59:59.500000000Z", b"2200-01-01T00:00:00.000000000Z"]
    )
    assert (before[:4], after[:4]) == (b"\0" * 4, b"\xff" * 4)


def test_messages_are_the_same_bytes_at_the_other_end() -> None:
    lines = [*LINES, b"x" * 31, b"x" * 32, b"x" * 255, b"x" * 256, b"x" * 65535, b"x" * 65536]
    found = [one["message"].encode("utf-8", "surrogateescape") for one in records(batch(*lines))]
    assert found == lines


def test_whatever_comes_every_entry_can_be_read() -> None:
    for one in hostile():
        assert len(records(one)) == len(one)


def test_what_messagepack_does_not_have_is_made_fit() -> None:
    deep: list[Any] = []
    for _ in range(1000):
        deep = [deep]
    odd = {"big": 10**30, "nan": math.nan, 1: "one", "\ud800": b"\xff", "deep": deep, "o": object()}
    (found,) = records(batch("x", of=ODD, fields=[odd]))
    assert (found["big"], found["1"], found["\ufffd"]) == (str(10**30), "one", "\ufffd")
    assert math.isnan(found["nan"])
    assert found["o"] == "<object>"
    levels, at = 0, found["deep"]
    while isinstance(at, list):
        levels, at = levels + 1, at[0]
    assert (levels, at) == (DEEPEST - 1, "…")


def test_no_more_levels_are_sent_than_ruby_takes() -> None:
    deep: Any = "x"
    for _ in range(200):
        deep = [deep]
    flat = {"text": "\u4f60\u597d" * 100, "lists": [[]] * 200}
    text = json.dumps({"deep": deep})
    for one in (batch("x", "y", fields=[{"deep": deep}, flat]), parsed(text, text)):
        found = records(one)
        assert DEEPEST // 2 < str(found[0]["deep"]).count("[") <= DEEPEST
    assert records(batch("x", fields=[flat]))[0]["lists"] == flat["lists"]


def test_more_fields_than_sixteen_bits_can_count_are_all_there() -> None:
    (found,) = records(batch("x", fields=[{f"key{n}": n for n in range(70_000)}]))
    assert found["key69999"] == 69_999
    assert found["container"]["name"] == container().name
