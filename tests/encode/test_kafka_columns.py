"""Batches as Kafka's records in `columns/1`."""

from __future__ import annotations

from pipeline.buffer.columns import ColumnCodec
from pipeline.encode.kafka_columns import KafkaColumnsEncoder
from pipeline.intake.received import Received
from pipeline.model.batch import Batch
from pipeline.testing.builders import batch, container
from pipeline.transport.kafka.records import Records


def encoder(*names: str, largest: int = 1_000_000) -> KafkaColumnsEncoder:
    """Whose entries are for these topics in turn."""
    return KafkaColumnsEncoder(
        lambda some: [names[n % len(names)] for n in range(len(some))],
        ColumnCodec().encode,
        largest=largest,
        host="here",
    )


def read(records: Records, place: int) -> list[bytes]:
    """The lines of one record, as a hub reads them."""
    headers = {name: value.decode() for name, value in records.headers[place]}
    found = Received().message(headers, records.values[place])
    assert found is not None
    return [line for one in found[0] for line in one.lines]


def entries(records: Records, place: int) -> list[tuple[Batch, int]]:
    return list(records.places(place))


def test_a_container_is_a_record_with_its_id_for_the_key() -> None:
    one, other = container("a", number=1, host=""), container("b", number=2)
    some = [batch("x", of=one), batch(), batch("y", of=other), batch("z", of=one, start=2)]
    records = encoder("t").encode(some)
    assert records.keys == [one.id.encode(), other.id.encode()]
    assert [read(records, place) for place in range(2)] == [[b"x", b"z"], [b"y"]]
    assert records.entries == 3 and len(records.values) == 2
    assert entries(records, 0) == [(some[0], 0), (some[3], 0)]
    assert ("Dockline-Host", b"here") in records.headers[0]
    assert [part.topic for part in records.topics] == ["t", "t"]


def test_entries_for_several_topics_are_several_records() -> None:
    records = encoder("t", "u").encode([batch("1", "2", "3")])
    found = {one.topic: [line for n in one.places for line in read(records, n)]
             for one in records.topics}  # fmt: skip
    assert found == {"t": [b"1", b"3"], "u": [b"2"]}


def test_what_is_too_large_is_split_between_entries_in_order() -> None:
    lines = [bytes([n]) * 10 + str(n * 7919**9).encode() * 40 for n in range(64)]
    records = encoder("t", largest=1500).encode([batch(*lines)])
    assert len(records.values) > 1 and all(len(value) < 1500 for value in records.values)
    assert [line for n in range(len(records.values)) for line in read(records, n)] == lines


def test_a_record_is_made_smaller_until_it_is_a_single_entry() -> None:
    encode = encoder("t")
    records = encode.encode([batch("1", "2", "3")])
    halves = encode.smaller(records, 0)
    assert halves is not None
    assert [read(halves, n) for n in range(2)] == [[b"1"], [b"2", b"3"]]
    assert encode.smaller(halves, 0) is None
