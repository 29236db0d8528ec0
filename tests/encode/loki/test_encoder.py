"""Entries are grouped by stream, in order, with all else as structured metadata."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.encode.loki.encoder import LONGEST_VALUE, LokiEncoder, StreamFields
from pipeline.encode.loki.wire import Json, Protobuf
from pipeline.expression import compile_template
from pipeline.model.batch import Batch
from pipeline.model.container import Container
from pipeline.model.records import RecordReader
from pipeline.parsing.json import parse, parse_one
from pipeline.testing.builders import batch, container
from pipeline.testing.hostile import hostile
from tests.servers.loki_received import Pushed, from_json, from_protobuf

pytestmark = pytest.mark.usefixtures("either_loops")

NAMES = {"container_name": "{container.name}", "host": "{container.host}"}
WIRES = {"protobuf": (Protobuf, from_protobuf), "json": (Json, from_json)}


def columns(templates: dict[str, str]) -> StreamFields:
    found = StreamFields()
    for name, text in templates.items():
        template = compile_template(text)
        (found.constant if template.is_constant else found.varying)[name] = template
    return found


class Both:
    """What both forms say, which is the same."""

    def __init__(
        self,
        labels: dict[str, str] = NAMES,
        metadata: dict[str, str] | None = {},  # noqa: B006
        **options: Any,
    ) -> None:
        further = None if metadata is None else columns(metadata)
        self._encoders = {
            name: LokiEncoder(wire(), columns(labels), further, **options)
            for name, (wire, _) in WIRES.items()
        }

    def __call__(self, *batches: Batch) -> list[list[Pushed]]:
        protobuf, json = (
            read(self._encoders[name].encode(batches)) for name, (_, read) in WIRES.items()
        )
        assert protobuf == json
        return protobuf

    def entries(self, *batches: Batch) -> list[Pushed]:
        return [entry for stream in self(*batches) for entry in stream]


def test_a_line_has_its_time_to_the_nanosecond_its_labels_and_metadata() -> None:
    times = [b"2026-01-31T23:59:59.123456789Z"]
    (entry,) = Both().entries(batch("hello").replace(times=times))
    assert entry == Pushed(
        '{container_name="api-1", host="web-1"}',
        1769903999123456789,
        "hello",
        {"container_id": f"{1:064x}", "stream": "stdout", "event_sequence": "0"},
    )


def test_times_of_many_seconds_are_each_their_own() -> None:
    times = {
        b"2026-02-01T00:00:00.000000001Z": 1769904000000000001,
        b"2026-01-31T23:59:59.999999999Z": 1769903999999999999,
        b"1970-01-01T00:00:00.000000000Z": 0,
        b"1969-12-31T23:59:59.000000001Z": -999999999,
    }
    for some in (list(times), list(times)[:2]):
        found = Both().entries(batch(*map(str, some)).replace(times=some))
        assert [one.nanoseconds for one in found] == [times[time] for time in some]


def test_entries_of_a_stream_stand_together_and_in_order() -> None:
    one, other = container("one"), container("other", number=2)
    streams = Both()(batch("a", "b", of=one), batch("c", of=other), batch("d", of=one))
    assert [[entry.line for entry in stream] for stream in streams] == [["a", "b", "d"], ["c"]]


def test_containers_with_the_same_labels_are_one_stream() -> None:
    one, other = container("one"), container("other", number=2)
    (stream,) = Both({"host": "{container.host}"})(batch("a", of=one), batch("b", of=other))
    assert [entry.metadata["container_id"][-1] for entry in stream] == ["1", "2"]


def test_labels_without_a_value_are_left_out_and_none_at_all_become_one() -> None:
    labels = {"project": "{container.project}", "team": "{team}"}
    (entry,) = Both(labels).entries(batch("a"))
    assert entry.labels == '{job="dockline"}'
    (entry,) = Both(labels).entries(batch("a", fields=[{"team": "blue"}]))
    assert entry.labels == '{team="blue"}'


def test_the_host_is_the_agents_where_a_container_does_not_tell() -> None:
    (entry,) = Both(host="here").entries(batch("a", of=container(host="")))
    assert entry.labels == '{container_name="api-1", host="here"}'


def test_values_of_labels_are_quoted() -> None:
    (stream,) = Both({"name": "{container.name}"})(batch("a", of=container('a"b\\c\nd')))
    assert stream[0].labels == '{name="a\\"b\\\\c\\nd"}'


def test_metadata_has_what_is_known_of_an_entry() -> None:
    fields = [{"level": "WARN", "trace": "t1"}, {"level": "??"}, {}]
    some = batch("a", "b", "c", fields=fields, streams="out err none", start=8)
    some = some.replace(flags={9: "truncated"}, parts=[0, 1, 2])
    first, second, third = Both(metadata={"trace_id": "{trace}"}).entries(some)
    id_ = {"container_id": f"{1:064x}"}
    assert first.metadata == id_ | {
        "stream": "stdout", "level": "warning", "event_sequence": "8", "trace_id": "t1",
    }  # fmt: skip
    assert second.metadata == id_ | {
        "stream": "stderr", "log_flags": "truncated", "event_sequence": "9", "event_part": "1",
    }  # fmt: skip
    assert third.metadata == id_ | {"event_sequence": "10", "event_part": "2"}


def test_metadata_may_be_of_the_container_or_one_of_ours_by_another_value() -> None:
    metadata = {"image": "{container.image}", "container_id": "x", "event_sequence": ""}
    (entry,) = Both(metadata=metadata).entries(batch("a"))
    assert entry.metadata == {"image": "shop/api:1.4", "container_id": "x", "stream": "stdout"}


def test_what_is_a_label_is_no_metadata() -> None:
    (entry,) = Both({"stream": "{stream}", "container_id": "{container.id}"}).entries(batch("a"))
    assert entry.metadata == {"event_sequence": "0"}


def test_without_structured_metadata_there_is_none() -> None:
    labels = {"user": "{user}"}
    both = Both(labels, None, most_streams=1)
    some = batch("a", "b", fields=[{"user": "u1"}, {"user": "u2"}])
    assert [(entry.labels, entry.metadata) for entry in both.entries(some)] == [
        ('{user="u1"}', {}),
        ('{job="dockline"}', {}),
    ]


def test_events_and_stats_say_what_they_are() -> None:
    (entry,) = Both().entries(batch("die", source="events", streams="none"))
    assert entry.metadata["event_dataset"] == "docker.events"
    assert "stream" not in entry.metadata
    (entry,) = Both().entries(batch("x", of=Container("a" * 64, "cron", "", module="syslog")))
    assert entry.metadata["event_dataset"] == "syslog.logs"


def test_a_container_has_a_stream_for_each_source_where_that_is_a_label() -> None:
    both = Both({"source": "{source}"})
    assert [one.labels for one in both.entries(batch("a"), batch("b", source="events"))] == [
        '{source="logs"}',
        '{source="events"}',
    ]


def test_a_message_that_was_removed_is_its_fields() -> None:
    (entry,) = Both().entries(batch("a", fields=[{"b": 1}], bare=True))
    assert entry.line == '{"b":1}'


def test_bytes_that_are_not_utf8_are_replaced_and_the_rest_stays() -> None:
    lines = [entry.line for entry in Both().entries(batch(b"\xff\n\x00", "\u2603\n", b""))]
    assert lines == ["\ufffd\n\x00", "\u2603\n", ""]


def test_parsed_records_are_read_as_dictionaries_are() -> None:
    lines = [b'{"user":"u1","trace":"t"}', b'{"user":"u2"}']
    reader = RecordReader(parse, parse_one, all_json=True)
    reader.read(lines)
    records = batch(*lines).replace(parsed=reader.read(lines))
    dictionaries = batch(*lines, fields=[{"user": "u1", "trace": "t"}, {"user": "u2"}])
    both = Both(NAMES | {"user": "{user}"}, {"trace": "{trace}"})
    assert type(records.parsed).__name__ == "Records"
    assert both(records) == both(dictionaries)


# -- a bound for streams -----------------------------------------------------------------------


def users(*names: str) -> Batch:
    return batch(*names, fields=[{"user": name} for name in names])


@pytest.mark.fault(24)
@pytest.mark.parametrize("kind", WIRES)
def test_a_container_has_so_many_streams_and_what_would_be_more_is_metadata(kind: str) -> None:
    told: list[Container] = []
    wire, read = WIRES[kind]
    labels = columns({"name": "{container.name}", "user": "{user}"})
    encoder = LokiEncoder(wire(), labels, StreamFields(), most_streams=2, overflows=told.append)
    one = users("a", "b", "c", "a", "d")
    for _ in range(2):
        found = [entry for stream in read(encoder.encode([one])) for entry in stream]
        assert [(entry.line, entry.labels, entry.metadata.get("user")) for entry in found] == [
            ("a", '{name="api-1", user="a"}', None),
            ("a", '{name="api-1", user="a"}', None),
            ("b", '{name="api-1", user="b"}', None),
            ("c", '{name="api-1"}', "c"),
            ("d", '{name="api-1"}', "d"),
        ]
    assert told == [one.container], "said once"
    other = batch("a", of=container("other"), fields=[{"user": "z"}])
    ((entry,),) = read(encoder.encode([other]))
    assert entry.labels == '{name="other", user="z"}', "another container has its own bound"


def test_a_value_too_long_for_a_label_is_metadata_and_takes_no_stream() -> None:
    long, fits = "x" * (LONGEST_VALUE + 1), "y" * LONGEST_VALUE
    both = Both({"user": "{user}"}, most_streams=1)
    first, second = both.entries(users(long, fits))
    assert (first.labels, first.metadata["user"]) == ('{job="dockline"}', long)
    assert second.labels == f'{{user="{fits}"}}'
    (entry,) = Both({"a": "{container.name}"}).entries(batch("x", of=container("\u00e9" * 1025)))
    assert (entry.labels, entry.metadata["a"]) == ('{job="dockline"}', "\u00e9" * 1025)


# -- one by one ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", WIRES)
def test_entries_apart_are_put_together_to_the_same_request(kind: str) -> None:
    labels = columns({"name": "{container.name}", "stream": "{stream}"})
    encoder = LokiEncoder(WIRES[kind][0](), labels, StreamFields())
    batches = [*hostile(), batch("a", "b", streams="out err"), batch()]
    apart = encoder.entries(batches)
    assert len(apart) == sum(map(len, batches))
    assert encoder.request(apart) == encoder.encode(batches)
    assert [one.time for one in apart] == [time for one in batches for time in one.times]


def test_hostile_batches_are_the_same_in_both_forms() -> None:
    labels = {"name": "{container.name}", "a": "{a}", "image": "{container.image}"}
    assert len(Both(labels, {"b": "{b}"}).entries(*hostile())) == sum(map(len, hostile()))
