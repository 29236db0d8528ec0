"""The stage `dedupe`."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from pipeline.model.batch import Batch
from pipeline.model.component import Duration, Stage
from pipeline.model.errors import ConfigError
from pipeline.model.timestamps import from_nanoseconds
from pipeline.stages import dedupe, parse
from pipeline.testing.builders import batch, container, entries
from pipeline.testing.stage_kit import StageKit

NOON = 1_769_860_800


def make(within: float = 10, **config: Any) -> Stage:
    made = dedupe.Stage(dedupe.Dedupe(within=Duration(within), **config))
    return made.bind(container())


def at(*entries: tuple[float, str]) -> Batch:
    """A message at each of these times."""
    whole = batch(*(text for _, text in entries))
    return whole.replace(times=[from_nanoseconds(round((NOON + t) * 1e9)) for t, _ in entries])


def said(result: Batch | None) -> list[str]:
    """Each message, with the number of duplicates that it tells of."""
    return [
        entry.message.decode() + "".join(f" +{n}" for n in entry.fields.values())
        for entry in entries(result)
    ]


class TestDedupe(StageKit):
    def make(self) -> Stage:
        return dedupe.Stage(dedupe.Dedupe(most=3))


class TestDedupeFields(StageKit):
    def make(self) -> Stage:
        return dedupe.Stage(dedupe.Dedupe(fields=["level", "msg", "http.status"]))


def test_what_was_said_a_short_while_ago_is_dropped_and_told_of_later() -> None:
    stage = make()
    assert said(stage(at((0, "a"), (1, "a"), (2, "b"), (9.9, "a")))) == ["a", "b"]
    assert said(stage(at((10, "a"), (10.1, "b"), (11, "a")))) == ["a +2"]
    assert said(stage(at((20, "a"), (21, "b"), (40, "a")))) == ["a +1", "b +1", "a"]


def test_what_is_said_without_end_comes_once_in_each_time() -> None:
    stage = make(within=10)
    result = [text for t in range(100) for text in said(stage(at((t, "a"))))]
    assert result == ["a", *["a +9"] * 9]


def test_each_container_is_looked_at_for_itself() -> None:
    stage = dedupe.Stage(dedupe.Dedupe())
    for number in (1, 2):
        assert said(stage.bind(container(number=number))(at((0, "a"), (0, "a")))) == ["a"]


def of(*fields: dict[str, Any], **columns: Any) -> Batch:
    return batch(*map(str, range(len(fields))), fields=fields, **columns)


def numbers(result: Batch | None) -> list[int]:
    return [int(entry.message) for entry in entries(result)]


def test_all_of_the_fields_count_and_no_other() -> None:
    whole = of(
        {"level": "x", "msg": "a", "t": 1},
        {"level": "x", "msg": "a", "t": 2},
        {"level": "y", "msg": "a"},
        {"msg": "a"},
        {"msg": "a", "level": None},
        {"msg": ["a"]},
        {"msg": ["a"]},
    )
    assert numbers(make(fields=["level", "msg"])(whole)) == [0, 2, 3, 5]


def test_values_do_not_run_into_each_other() -> None:
    whole = of({"a": "x", "b": ""}, {"a": "", "b": "x"}, {"a": "x"}, {"a": "", "b": "x", "c": 1})
    assert numbers(make(fields=["a", "b"])(whole)) == [0, 1]


def test_an_entry_without_any_of_the_fields_is_like_no_other() -> None:
    assert numbers(make(fields=["a", "b"])(of({}, {"c": 1}, {}))) == [0, 1, 2]
    assert numbers(make(fields=["a"])(of({}, {}))) == [0, 1]


def test_fields_of_every_name_and_place() -> None:
    whole = of(
        {"http": {"status": 1}},
        {"http.status": 1},
        {"http": {"status": 2}},
        {"we\"ird 'näme☃\t": 1},
        {"we\"ird 'näme☃\t": 1},
        {"true": 1},
    )
    stage = make(fields=["http.status", "we\"ird 'näme☃\t", "true"])
    assert numbers(stage(whole)) == [0, 2, 3, 5]
    whole = batch("a", "a", "b", streams="out err out", fields=[{}, {}, {}])
    assert said(make(fields=["message", "stream"])(whole)) == ["a", "a", "b"]
    assert said(make(fields=["message"])(whole)) == ["a", "b"]


def test_records_stay_records_while_nothing_is_to_be_told() -> None:
    reader, stage = parse.Stage("json").bind(container()), make(fields=["a"])
    for _ in range(2):
        read = reader(batch('{"a":1}', '{"a":2}', '{"a":1}'))
        assert read is not None
        kind, result = type(read.parsed), stage(read)
    assert result is None
    assert type(reader(batch('{"a":3}')).parsed) is kind  # type: ignore[union-attr]
    assert type(stage(reader(batch('{"a":3}'))).parsed) is kind  # type: ignore[union-attr, arg-type]


def test_no_more_than_so_many_are_remembered_and_none_longer_than_it_counts() -> None:
    stage = make(most=2)
    assert isinstance(stage, dedupe.Stage)
    assert said(stage(at((0, "a"), (0, "b"), (0, "c"), (0, "a")))) == ["a", "b", "c"]
    assert said(stage(at((1, "a"), (1, "b")))) == ["b"]
    assert said(stage(at((2, "a"), (2, "c")))) == ["c"]
    for number in range(100):
        stage(at((3, f"{number}"), (3, f"{number}")))
    assert (len(stage._passed), len(stage._dropped)) == (2, 2)
    stage(at((99, "x")))
    assert len(stage._passed) == 1


def test_a_clock_that_was_set_back_drops_nothing_for_long() -> None:
    stage = make()
    assert said(stage(at((1000, "a"), (999.9, "a"), (0, "a"), (5, "a"), (10, "a")))) == [
        "a",
        "a +1",
        "a +1",
    ]


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        make(fields=["a", "b..c"])
    assert caught.value.path == "fields[1]"
    assert msgspec.structs.asdict(dedupe.Dedupe())["most"] == 5000


def test_check_knows_what_it_reads_and_makes() -> None:
    effect = dedupe.Stage(dedupe.Dedupe(fields=["message", "http.status"])).effect()
    found = [(use.field, use.written, use.key) for use in effect.reads]
    assert found == [("http", "http.status", "fields[1]")]
    assert effect.makes == {"duplicates"}
