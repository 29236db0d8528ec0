"""What both forms of a push request share is tested with the encoder; here, what is their own."""

from __future__ import annotations

import json

from pipeline.encode.loki.wire import Json, Protobuf, in_braces, quoted
from tests.servers.loki_received import from_json, from_protobuf

LABELS = (("b", "2"), ("a", "1"))


def test_labels_are_sorted_so_that_a_stream_has_one_name() -> None:
    assert in_braces(LABELS) == '{a="1", b="2"}' == in_braces(LABELS[::-1])


def test_quoting_keeps_a_value_on_one_line_and_inside_its_quotes() -> None:
    assert quoted('a"\\\n}') == 'a\\"\\\\\\n}'


def test_times_are_texts_in_json_since_its_numbers_lose_digits() -> None:
    entries = Json().entries([b"2026-01-31T23:59:59.123456789Z"], [b"line"], [b""])
    request = json.loads(b"".join(Json().request({LABELS: entries})))
    assert request["streams"] == [
        {"stream": {"a": "1", "b": "2"}, "values": [["1769903999123456789", "line", {}]]}
    ]


def test_numbers_of_every_length_are_read_back() -> None:
    numbers = [0, 9, 10, 12345, 10**10, 2**64 - 1]
    times, lines = [b"2026-01-31T23:59:59.000000000Z"] * 6, [b""] * 6
    for wire, read in ((Protobuf(), from_protobuf), (Json(), from_json)):
        entries = wire.entries(times, lines, wire.numbers("n", numbers))
        (stream,) = read(b"".join(wire.request({LABELS: entries})))
        assert [int(entry.metadata["n"]) for entry in stream] == numbers


def test_long_lines_and_long_metadata_have_long_lengths() -> None:
    line, value = b"x" * 300_000, "y" * 20_000
    wire = Protobuf()
    entries = wire.entries(
        [b"2026-01-31T23:59:59.000000000Z"], [line], [wire.pairs([("v", value)])]
    )
    ((entry,),) = from_protobuf(b"".join(wire.request({LABELS: entries})))
    assert (entry.line.encode(), entry.metadata) == (line, {"v": value})


def test_a_lone_surrogate_is_replaced() -> None:
    for wire, read in ((Protobuf(), from_protobuf), (Json(), from_json)):
        pairs = wire.pairs([("v", "a\udfffb")])
        entries = wire.entries([b"2026-01-31T23:59:59.000000000Z"], [b""], [pairs])
        ((entry,),) = read(b"".join(wire.request({LABELS: entries})))
        assert entry.metadata == {"v": "a\ufffdb"}


def test_no_streams_are_a_request_without_any() -> None:
    assert (
        from_protobuf(b"".join(Protobuf().request({})))
        == from_json(b"".join(Json().request({})))
        == []
    )
