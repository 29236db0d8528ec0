"""Batches as bytes and back."""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import Any

import msgpack  # type: ignore[import-untyped]
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.buffer.columns import ColumnCodec, origin_of
from pipeline.buffer.flatten import flatten
from pipeline.model.batch import Batch
from pipeline.model.samples import Inspection
from pipeline.testing.builders import batch, container
from tests.buffer.any_batch import batches, facts
from tests.buffer.spools import numbered
from tests.sources.docker.answers import LIMITED, answer, reading
from tests.suite.examples import examples


def there_and_back(*given: Batch) -> list[Batch]:
    return ColumnCodec().decode(*ColumnCodec().encode(given))


@given(st.lists(batches(), max_size=4))
@settings(max_examples=examples(300))
def test_any_batch_comes_back_as_it_was(given: list[Batch]) -> None:
    assert [facts(one) for one in there_and_back(*given)] == [facts(one) for one in given]


@given(st.lists(batches(), min_size=1, max_size=4))
def test_whose_the_entries_are_can_be_read_alone(given: list[Batch]) -> None:
    whose = ColumnCodec().whose(*ColumnCodec().encode(given))
    assert whose == [(origin_of(one), len(one)) for one in given]


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("depth", [100, 500, 510, 1010, 1024, 5000])
def test_a_field_may_be_nested_to_any_depth(depth: int) -> None:
    (back,) = there_and_back(batch("x", fields=[{"deep": nested(depth), "big": 2**70}]))
    assert back.fields is not None
    assert back.fields[0]["big"] == 2**70
    value = back.fields[0]["deep"]
    for _ in range(depth):
        (value,) = value
    assert value == 1


def test_after_a_batch_that_was_too_deep_the_next_is_written_as_ever() -> None:
    columns = ColumnCodec()
    columns.encode([batch("x", fields=[{"deep": nested(5000)}])])
    (back,) = ColumnCodec().decode(*columns.encode([batch("y")]))
    assert back.lines == [b"y"]


@pytest.mark.parametrize("number", [2**63 - 1, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 10**500])
def test_an_integer_keeps_all_its_digits(number: int) -> None:
    (back,) = there_and_back(batch("x", fields=[{"n": number, "minus": -number}]))
    assert back.fields == [{"n": number, "minus": -number}]


def test_what_no_field_should_hold_is_kept_as_its_text_and_stops_nothing() -> None:
    (back,) = there_and_back(batch("x", fields=[{"odd": {1, 2}, "even": object}]))
    assert back.fields == [{"odd": "{1, 2}", "even": "<class 'object'>"}]


def test_the_facts_of_a_container_are_written_once_and_its_batches_share_it() -> None:
    name = "n" * 500
    first, second = container(name, number=1), container(name, number=2)
    payload, plain = ColumnCodec().encode([batch("a", of=one) for one in (first, second, first)])
    assert plain < 3 * 500
    one, two, three = ColumnCodec().decode(payload, plain)
    assert one.container is three.container
    assert one.container is not two.container


def test_payloads_share_a_container_as_long_as_somebody_has_it() -> None:
    columns, name = ColumnCodec(), container()
    (one,) = columns.decode(*columns.encode([batch("a", of=name)]))
    (two,) = columns.decode(*columns.encode([batch("b", of=name)]))
    assert one.container is two.container


def test_lines_are_compressed_and_what_does_not_get_smaller_is_not() -> None:
    payload, plain = ColumnCodec().encode([batch(*["the same line over and over"] * 100)])
    assert len(payload) < plain / 10
    payload, plain = ColumnCodec().encode([batch("x")])
    assert len(payload) <= plain


def test_stats_come_back_with_the_reading_that_they_were_made_of() -> None:
    deep = {"cpu_stats": {"nested": nested(2000)}, "big": 2**70, "\ud800": "\udfff"}
    for stats in (answer("v1"), answer("v2"), {}, deep):
        given = reading(stats, container(), Inspection(cgroup="/docker/x", restarts=0, health=""))
        one = batch("", of=given.container, source="stats", samples=given)
        parted = one.replace(parts=[3])
        for back in there_and_back(one, parted, batch("a log")):
            if back.source == "stats":
                assert back.samples is not None
                assert back.samples.container is back.container
                assert flatten(back.samples.stats) == flatten(given.stats)
                assert (back.samples.time, back.samples.inspection) == (
                    given.time,
                    given.inspection,
                )
            else:
                assert back.samples is None


def test_a_reading_has_what_this_version_knows_of_and_what_it_knows_not_is_left_out() -> None:
    one = batch("x", source="stats", samples=reading())
    payload, plain = ColumnCodec().encode([one])
    text = payload if len(payload) == plain else zlib.decompress(payload)
    later = text.replace(b"\xa6cgroup", b"\xa6CGROUP")
    assert later != text
    (back,) = ColumnCodec().decode(later, len(later))
    assert back.samples is not None
    assert back.samples.inspection == replace(LIMITED, cgroup="")


def test_parts_are_written_only_where_there_are_any_as_it_was_before_them() -> None:
    whole = numbered(3, 2)
    rows = []
    for one in (whole, whole.replace(parts=range(1, 3))):
        unpacker = msgpack.Unpacker()
        payload, plain = ColumnCodec().encode([one])
        unpacker.feed(payload if len(payload) == plain else zlib.decompress(payload))
        unpacker.skip()
        rows += unpacker.unpack()
    assert [len(row) for row in rows] == [7, 8]
    assert there_and_back(whole)[0].parts is None
    assert there_and_back(one)[0].parts == [1, 2]


def test_what_was_written_before_routes_were_can_still_be_read() -> None:
    one = numbered(3, 2)
    columns = ColumnCodec()
    facts = columns._pack_container(one.container)
    assert isinstance(one.sequences, range)
    numbers = one.sequences.start, one.sequences.stop, one.sequences.step
    row = ["logs", one.lines, one.times, one.streams, numbers, None, False, None]
    plain = msgpack.packb(([facts], [(0, 2)])) + msgpack.packb([row])
    (again,) = columns.decode(plain, len(plain))
    assert (again.lines, again.source, again.route) == (one.lines, "logs", "")
    assert columns.whose(plain, len(plain)) == [(origin_of(again), 2)]
