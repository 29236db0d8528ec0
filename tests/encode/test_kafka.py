"""Entries as columns of Kafka's records."""

from __future__ import annotations

import json
from itertools import chain

from pipeline.encode.kafka import KafkaEncoder, milliseconds, topic
from pipeline.testing.builders import batch, container
from pipeline.testing.hostile import hostile


def encoder(*names: str) -> KafkaEncoder:
    """Whose entries are for these topics in turn."""
    return KafkaEncoder(lambda some: [names[n % len(names)] for n in range(len(some))], host="here")


def test_columns_are_of_equal_length_and_in_order() -> None:
    some = [batch("a", "b"), batch(), batch("c", of=container(number=2, host=""))]
    records = encoder("all").encode(some)
    assert [json.loads(value)["message"] for value in records.values] == ["a", "b", "c"]
    assert records.keys == [some[0].container.id.encode()] * 2 + [some[2].container.id.encode()]
    assert [dict(headers)["host"] for headers in records.headers] == [b"web-1", b"web-1", b"here"]
    assert [list(run.places) for run in records.topics] == [[0, 1], [2]]
    assert [*chain.from_iterable(map(records.places, range(3)))] == [
        (some[0], 0),
        (some[0], 1),
        (some[2], 0),
    ]


def test_entries_of_several_topics_are_runs_of_their_own() -> None:
    records = encoder("x", "y").encode([batch("a", "b", "c"), batch("d")])
    found = [(run.topic, list(run.places)) for run in records.topics]
    assert found == [("x", [0, 2]), ("y", [1]), ("x", [3])]


def test_no_batch_is_too_odd() -> None:
    records = encoder("x", "..", "y" * 300).encode(hostile())
    assert len(records.keys) == len(records.values) == len(records.times) == len(records.headers)
    places = [place for run in records.topics for place in run.places]
    assert sorted(places) == list(range(len(records.values)))


def test_times_are_milliseconds_and_one_that_there_is_not_is_none() -> None:
    times = [
        b"1970-01-01T00:00:01.002999999Z",
        b"1970-01-01T00:00:01.003000000Z",
        b"2026-02-31T00:00:00.000000000Z",
        b"1970-01-01T00:00:02.000000000Z",
    ]
    assert milliseconds(times) == [1002, 1003, None, 2000]


def test_a_topic_is_one_that_kafka_takes() -> None:
    assert [topic("."), topic(".."), topic("a.b"), len(topic("x" * 999))] == ["_", "_", "a.b", 249]
