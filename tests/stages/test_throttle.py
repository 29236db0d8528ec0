"""The stage `throttle`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from pipeline.model.batch import Batch
from pipeline.model.component import Duration, Rate, Stage
from pipeline.model.errors import ConfigError
from pipeline.model.timestamps import from_nanoseconds
from pipeline.stages import throttle
from pipeline.testing.builders import batch, container, entries
from pipeline.testing.stage_kit import StageKit

NOON = 1_769_860_800


def make(**config: Any) -> Stage:
    return throttle.Stage(throttle.Throttle(**config)).bind(container())


def at(*seconds: float, keys: Sequence[str] | None = None) -> Batch:
    """An entry at each of these times, whose message is its number."""
    whole = batch(*map(str, range(len(seconds))), fields=keys and [{"path": key} for key in keys])
    times = [from_nanoseconds(round((NOON + second) * 1e9)) for second in seconds]
    return whole.replace(times=times)


def passed(result: Batch | None) -> str:
    return " ".join(entry.message.decode() for entry in entries(result))


def told(result: Batch | None) -> dict[bytes, int]:
    return {
        entry.message: entry.fields["throttled"]
        for entry in entries(result)
        if "throttled" in entry.fields
    }


class TestThrottle(StageKit):
    def make(self) -> Stage:
        return throttle.Stage(throttle.Throttle(rate=0.5, burst=3))


class TestThrottleByKey(StageKit):
    def make(self) -> Stage:
        return throttle.Stage(throttle.Throttle(rate=1, key="{level}/{message}", keys=2))


def test_a_burst_is_let_through_and_then_one_for_each_token() -> None:
    stage = make(rate=2, burst=3)
    assert passed(stage(at(0, 0, 0, 0, 0.4, 0.6, 0.7, 1.1))) == "0 1 2 5 7"
    assert passed(stage(at(9, 9, 9, 9))) == "0 1 2"


def test_the_rate_holds_across_batches_of_any_size() -> None:
    stage = make(rate=10, per=Duration(60), burst=10)
    seconds = [number * 0.5 for number in range(2400)]
    left = 0
    for start in range(0, 2400, 7):
        left += len(stage(at(*seconds[start : start + 7])) or ())
    assert 10 + 199 <= left <= 10 + 201


def test_entries_that_come_exactly_as_often_as_they_may_all_pass() -> None:
    stage = make(rate=100, burst=1)
    assert len(stage(at(*[number / 100 for number in range(500)])) or ()) == 500


def test_without_a_burst_it_is_as_many_as_the_rate_and_at_least_one() -> None:
    assert passed(make(rate=2)(at(0, 0, 0))) == "0 1"
    slow = make(rate=0.1)
    assert passed(slow(at(0, 9, 10.1, 11))) == "0 2"


def test_the_next_one_that_passes_says_how_many_did_not() -> None:
    stage = make(rate=1, burst=1)
    first = stage(at(0, 0.1, 0.2, 1.3, 1.4))
    assert (passed(first), told(first)) == ("0 3", {b"3": 2})
    assert stage(at(1.5, 1.6)) is None
    last = stage(at(10, 11.5))
    assert (passed(last), told(last)) == ("0 1", {b"0": 3})


def test_the_next_batch_says_so_even_where_all_of_it_passes() -> None:
    stage = make(rate=1, burst=5)
    stage(at(*[0] * 8))
    assert told(stage(at(100, 100, 100))) == {b"0": 3}
    assert told(stage(at(200, 200, 200))) == {}


def test_each_key_has_a_bucket_and_a_number_of_its_own() -> None:
    stage = make(rate=1, burst=1, key="{path}")
    result = stage(at(0, 0, 0, 0, 0, 2, 2, keys=["/a", "/b", "/a", "/a", "/b", "/a", "/b"]))
    assert (passed(result), told(result)) == ("0 1 5 6", {b"5": 2, b"6": 1})


def test_each_container_has_a_bucket_of_its_own() -> None:
    stage = throttle.Stage(throttle.Throttle(rate=1, burst=1))
    for number in (1, 2):
        bound = stage.bind(container(number=number))
        assert passed(bound(at(0, 0))) == "0"


def test_time_that_goes_back_a_little_fills_nothing() -> None:
    stage = make(rate=1, burst=1)
    assert passed(stage(at(0, 1, 0.5, 1, 0.5, 1.9, 2.1))) == "0 1 6"


def test_a_clock_that_was_set_back_stops_nothing() -> None:
    stage = make(rate=1, burst=2)
    assert passed(stage(at(1e9, 1e9, 0, 0.5, 1.1, 2.2))) == "0 1 4 5"


def test_buckets_beyond_their_number_are_forgotten() -> None:
    stage = make(rate=0.001, burst=1, key="{path}", keys=2)
    assert passed(stage(at(0, 0, 0, keys=["a", "b", "c"]))) == "0 1 2"
    assert passed(stage(at(1, 1, keys=["c", "b"]))) == ""
    assert passed(stage(at(2, keys=["a"]))) == "0"


def test_a_dense_batch_passes_as_it_is() -> None:
    stage = make(rate=1000, burst=100)
    whole = at(*[number / 1e6 for number in range(100)])
    assert stage(whole) is whole
    assert len(stage(at(*[number / 1e6 for number in range(100)])) or ()) <= 10


def test_a_wrong_key_is_refused_with_its_place() -> None:
    with pytest.raises(ConfigError) as caught:
        throttle.Stage(throttle.Throttle(rate=1, key="{container.nmae}"))
    assert (caught.value.path, caught.value.column) == ("key", 1)


def test_check_knows_what_it_reads_and_makes() -> None:
    effect = throttle.Stage(throttle.Throttle(rate=1, key="x {path}")).effect()
    assert [(use.field, use.key, use.column) for use in effect.reads] == [("path", "key", 3)]
    assert effect.makes == {"throttled"}
    assert throttle.Stage(throttle.Throttle(rate=1)).effect().reads == []


def test_a_rate_may_be_written_with_its_time() -> None:
    for text, count, per in (
        ("100/s", 100, 1),
        ("30/m", 30, 60),
        ("20/10m", 20, 600),
        ("1.5 / h", 1.5, 3600),
    ):
        rate = Rate.parse(text)
        assert (rate.count, rate.per) == (count, per)
        assert rate == pytest.approx(count / per)
    minute = make(rate=Rate.parse("2/m"))
    assert passed(minute(at(0, 1, 2, 31, 32))) == "0 1 3"


@pytest.mark.parametrize(
    "text", ["", "100", "/s", "100/", "100/x", "-1/s", "1/s/s", "\u0661/s", "a/s", "1/0s"]
)
def test_what_is_no_rate_is_refused_with_how_to_write_one(text: str) -> None:
    with pytest.raises(ValueError, match="is not a rate"):
        Rate.parse(text)


def test_a_rate_that_has_its_time_takes_no_other() -> None:
    with pytest.raises(ConfigError, match="has its time already") as error:
        make(rate=Rate.parse("1/s"), per=Duration(60))
    assert error.value.path == "per"
