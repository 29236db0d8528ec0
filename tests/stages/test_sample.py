"""The stage `sample`."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from pipeline.model.batch import Batch
from pipeline.model.component import Stage
from pipeline.model.errors import ConfigError
from pipeline.stages import parse, sample
from pipeline.testing.builders import batch, container, entries
from pipeline.testing.stage_kit import StageKit


def make(config: Any) -> Stage:
    table = isinstance(config, dict)
    return sample.Stage(msgspec.convert(config, sample.Sample) if table else config)


def numbers(count: int, start: int = 0) -> Batch:
    return batch(*map(str, range(start, start + count)), start=start)


def kept(stage: Stage, *batches: Batch) -> list[int]:
    return [int(entry.message) for one in batches for entry in entries(stage(one))]


class TestSample(StageKit):
    def make(self) -> Stage:
        return make(3)


class TestSampleByKey(StageKit):
    def make(self) -> Stage:
        return make({"rate": 0.4, "key": "{level}{msg}", "keep": "status >= 500"})


def test_one_in_ten_is_the_first_and_then_every_tenth_whatever_the_batches() -> None:
    whole = numbers(95)
    assert kept(make(10), whole) == list(range(0, 95, 10))
    stage = make({"rate": 0.1})
    parts = [numbers(length, start) for start, length in ((0, 1), (1, 12), (13, 2), (15, 80))]
    assert kept(stage, *parts) == list(range(0, 95, 10))


def test_any_part_is_kept_evenly() -> None:
    assert kept(make({"rate": 0.75}), numbers(3), numbers(9, 3)) == [0, 2, 3, 4, 6, 7, 8, 10, 11]
    assert kept(make(1), numbers(5)) == [0, 1, 2, 3, 4]
    for rate in (0.3, 0.07, 0.999, 1 / 3):
        share = len(kept(make({"rate": rate}), numbers(7000))) / 7000
        assert share == pytest.approx(rate, abs=0.001)


def test_each_container_is_counted_for_itself() -> None:
    stage = make(10)
    for number in (1, 2):
        bound = stage.bind(container(number=number))
        assert kept(bound, numbers(5), numbers(5, 5), numbers(5, 10)) == [0, 10]


def test_kept_entries_say_how_many_they_stand_for() -> None:
    assert [entry.fields for entry in entries(make(10)(numbers(11)))] == [{"sample_rate": 10}] * 2
    (entry,) = entries(make({"rate": 0.4})(batch("x", fields=[{"a": 1}])))
    assert entry.fields == {"a": 1, "sample_rate": 2.5}


def test_fields_that_were_parsed_as_records_are_kept() -> None:
    reader = parse.Stage("json").bind(container())
    for _ in range(2):  # the second batch is records
        left = reader(batch('{"a":1}', '{"a":2}', '{"a":3}'))
        assert left is not None
    assert [entry.fields for entry in entries(make(2)(left))] == [
        {"a": 1, "sample_rate": 2},
        {"a": 3, "sample_rate": 2},
    ]


def traces(*ids: str) -> Batch:
    return batch(*map(str, range(len(ids))), fields=[{"trace_id": one} for one in ids])


def test_with_a_key_a_trace_is_kept_or_dropped_as_a_whole() -> None:
    config = {"rate": 0.5, "key": "{trace_id}"}
    ids = [f"trace-{number}" for number in range(20)]
    once = kept(make(config), traces(*ids))
    assert 0 < len(once) < 20
    again = kept(make(config).bind(container(number=2)), traces(*ids[::-1]), traces(*ids))
    assert again[len(once) :] == once
    assert sorted(19 - number for number in again[: len(once)]) == once


def test_which_keys_are_kept_never_changes() -> None:
    """Hosts that run different versions would cut traces apart."""
    assert kept(make({"rate": 0.3, "key": "{trace_id}"}), traces(*"abcdefghijklmnop")) == [
        1,
        2,
        3,
        6,
        7,
    ]


def test_a_higher_rate_keeps_what_a_lower_one_keeps() -> None:
    ids = [f"{number:032x}" for number in range(500)]
    before: set[int] = set()
    for rate in (0.01, 0.1, 0.5, 0.9, 1.0):
        now = set(kept(make({"rate": rate, "key": "{trace_id}"}), traces(*ids)))
        assert before <= now
        before = now
    assert len(before) == 500


@pytest.mark.parametrize("form", ["{}", "{:032x}", "user-{}", "{:08}-x", "{}00"])
def test_keys_that_follow_each_other_are_spread(form: str) -> None:
    ids = [form.format(number) for number in range(20_000)]
    for rate in (0.5, 0.1, 0.01):
        share = len(kept(make({"rate": rate, "key": "{trace_id}"}), traces(*ids))) / 20_000
        assert share == pytest.approx(rate, rel=0.2)


def test_entries_without_a_key_are_counted() -> None:
    stage = make({"rate": 0.5, "key": "{trace_id}"})
    assert kept(stage, batch("0", "1", "2", fields=[{}, {"a": 1}, {}]), numbers(3)) == [0, 2, 1]


def test_what_is_to_be_kept_is_kept_does_not_count_and_stands_for_itself() -> None:
    levels = ["info", "error", "info", "info", "error", "info"]
    left = entries(
        make({"rate": 0.5, "keep": "level == 'error'"})(
            batch(*"012345", fields=[{"level": level} for level in levels])
        )
    )
    assert [entry.message for entry in left] == [b"0", b"1", b"3", b"4"]
    assert [entry.fields.get("sample_rate") for entry in left] == [2, None, 2, None]


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least 1"):
        sample.Stage(0)
    for key in ("key", "keep"):
        with pytest.raises(ConfigError) as caught:
            make({"rate": 1, key: "{{" if key == "keep" else "{"})
        assert caught.value.path == key


def test_check_knows_what_it_reads_and_makes() -> None:
    config = {"rate": 1, "key": "{trace.id}", "keep": "level == 1"}
    effect = make(config).effect()
    found = [(use.field, use.written, use.key) for use in effect.reads]
    assert found == [("trace", "trace.id", "key"), ("level", "level", "keep")]
    assert effect.makes == make(5).effect().makes == {"sample_rate"}


def test_a_number_with_a_point_is_the_part_that_is_kept() -> None:
    assert kept(make(0.5), numbers(4)) == kept(make(2), numbers(4)) == [0, 2]
    tenth = sample.Stage(sample.Percentage.parse("10%"))
    assert kept(tenth, numbers(20)) == [0, 10]
    assert kept(make(1.0), numbers(3)) == [0, 1, 2]


@pytest.mark.parametrize(
    ("config", "said"),
    [(0.0, "at most 1.0"), (1.5, "at most 1.0"), (10.0, "write 10 to keep one in 10")],
)
def test_a_part_of_more_than_all_is_refused(config: float, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make(config)


@pytest.mark.parametrize("text", ["10", "%", "-1%", "a%", ""])
def test_what_is_no_percentage_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a percentage"):
        sample.Percentage.parse(text)
