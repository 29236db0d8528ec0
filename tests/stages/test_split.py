"""The stage `split`."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from pipeline.encode.json import JsonEncoder
from pipeline.model.batch import Batch
from pipeline.model.component import Stage
from pipeline.model.errors import ConfigError
from pipeline.stages import join, parse, split
from pipeline.testing.builders import batch, container, entries
from pipeline.testing.stage_kit import StageKit


class TestSplitField(StageKit):
    def make(self) -> Stage:
        return split.Stage("msg")


class TestSplitInto(StageKit):
    def make(self) -> Stage:
        return split.Stage(split.Options(field="http.tags", into="tag", most=1))


class TestSplitMessage(StageKit):
    def make(self) -> Stage:
        return split.Stage(split.Options(field="message", most=2))


class TestSplitMessageInto(StageKit):
    def make(self) -> Stage:
        return split.Stage(split.Options(field="message", into="element"))


Row = tuple[str, int, dict[str, Any]]


def rows(result: Batch | None) -> list[Row]:
    return [(row.message.decode(), row.part, row.fields) for row in entries(result)]


def after(config: Any, *lines: str, **columns: Any) -> list[Row]:
    parsed = parse.Stage("json").bind(container())(batch(*lines, **columns))
    assert parsed is not None
    return rows(split.Stage(config)(parsed))


def test_objects_become_the_fields_of_their_entries_beside_those_that_all_have() -> None:
    line = '{"id":1,"by":"x","records":[{"id":5},{"id":6,"a":[7]}]}'
    assert after("records", line) == [
        ('{"id":5}', 1, {"id": 5, "by": "x"}),
        ('{"id":6,"a":[7]}', 2, {"id": 6, "by": "x", "a": [7]}),
    ]


def test_what_is_no_object_goes_under_the_name_of_its_list() -> None:
    line = '{"by":"x","r":["text",1,null,[2],true]}'
    assert after("r", line) == [
        ("text", 1, {"by": "x", "r": "text"}),
        ("1", 2, {"by": "x", "r": 1}),
        ("null", 3, {"by": "x", "r": None}),
        ("[2]", 4, {"by": "x", "r": [2]}),
        ("true", 5, {"by": "x", "r": True}),
    ]
    [(message, _, _)] = rows(split.Stage("r")(batch("{}", fields=[{"r": ["\ud800"]}])))
    assert message == "?"


def test_a_list_inside_of_an_object_is_found_and_the_object_stays() -> None:
    line = '{"http":{"status":5,"r":[{"a":1},2]}}'
    assert [fields for _, _, fields in after("http.r", line)] == [
        {"http": {"status": 5}, "a": 1},
        {"http": {"status": 5, "r": 2}},
    ]
    assert [fields for _, _, fields in after("http.r", '{"http.r":[1]}')] == [{"http.r": 1}]


def test_into_keeps_what_there_is_of_the_same_name() -> None:
    options = split.Options(field="records", into="one.record")
    assert [fields for _, _, fields in after(options, '{"id":1,"records":[{"id":5},6]}')] == [
        {"id": 1, "one": {"record": {"id": 5}}},
        {"id": 1, "one": {"record": 6}},
    ]


def test_a_message_that_is_a_list_is_taken_apart_as_it_is_written() -> None:
    found = rows(split.Stage("message")(batch(' [{"a": 1.50}, "t\\u00e4xt" ,\n2, [ ]]')))
    assert found == [
        ('{"a": 1.50}', 1, {"a": 1.5}), ("täxt", 2, {}), ("2", 3, {}), ("[ ]", 4, {}),
    ]  # fmt: skip
    options = split.Options(field="message", into="e")
    assert rows(split.Stage(options)(batch('[{"a":1},"x"]', fields=[{"e": 0, "f": 1}]))) == [
        ('{"a":1}', 1, {"e": {"a": 1}, "f": 1}),
        ("x", 2, {"e": "x", "f": 1}),
    ]


@pytest.mark.parametrize("line", ["[]", "[1", "text", "", "{}", '{"a":[1]}', "[1]]", "[" * 9999])
def test_a_message_without_a_list_or_with_an_empty_one_goes_on_as_it_is(line: str) -> None:
    whole = batch(line)
    assert split.Stage("message")(whole) is whole


def test_a_field_that_is_no_list_or_an_empty_one_goes_on_as_it_is() -> None:
    stage = split.Stage("r")
    for fields in (None, [{"r": []}, {"r": {"a": [1]}}], [{}, {"x": [1]}]):
        whole = batch("a", "b", fields=fields)
        assert stage(whole) is whole
    parsing = parse.Stage("json").bind(container())
    parsing(batch('{"a":1}'))
    records = parsing(batch('{"a":1}'))
    assert records is not None
    assert type(records.parsed) is not list
    assert stage(records) is records
    assert type(records.parsed) is not list


def test_whole_entries_keep_their_places_between_those_that_were_split() -> None:
    lines = '{"r":[1,2]}', "text", '{"r":[]}', '{"r":[3]}'
    parsing = parse.Stage("json").bind(container())
    for _ in range(3):  # dictionaries at first, then records
        parsed = parsing(batch(*lines, start=7, streams="out err out err"))
        assert parsed is not None
        result = split.Stage("r")(parsed)
        found = [(one.sequence, one.part, one.stream, one.time[20:26]) for one in entries(result)]
        assert found == [
            (7, 1, "stdout", b"000000"),
            (7, 2, "stdout", b"000000"),
            (8, 0, "stderr", b"000001"),
            (9, 0, "stdout", b"000002"),
            (10, 1, "stderr", b"000003"),
        ]


def test_beyond_the_most_the_rest_stays_together_and_nothing_is_lost() -> None:
    line = json.dumps({"by": "x", "r": [{"n": n} for n in range(5)]})
    found = after(split.Options(field="r", most=3), line)
    assert [(message, part) for message, part, _ in found] == [
        ('{"n":0}', 1), ('{"n":1}', 2), ('{"n":2}', 3), ('[{"n":3},{"n":4}]', 4),
    ]  # fmt: skip
    assert found[-1][2] == {"by": "x", "r": [{"n": 3}, {"n": 4}]}
    found = rows(split.Stage(split.Options(field="message", most=1))(batch("[1, 2 ,3]")))
    assert found == [("1", 1, {}), ("[2,3]", 2, {})]


def test_what_all_have_in_common_is_not_copied_without_bounds() -> None:
    text, elements = "x" * 2**16, list(range(100))
    line = json.dumps({"text": text, "r": elements})
    found = after("r", line)
    assert [fields["r"] for _, _, fields in found] == [*range(15), list(range(15, 100))]
    common = batch(json.dumps(elements), fields=[{"text": text}])
    assert len(rows(split.Stage("message")(common))) == 16
    kept = batch("set: " + text, fields=[{"r": elements}])
    assert len(rows(split.Stage("r")(kept))) == 16


def test_a_message_of_its_own_stays_with_each_and_one_that_was_removed_stays_away() -> None:
    whole = batch("two records", fields=[{"r": [1, 2]}])
    assert [message for message, _, _ in rows(split.Stage("r")(whole))] == ["two records"] * 2
    bare = split.Stage("r")(whole.replace(bare=True))
    assert bare is not None
    assert bare.bare
    assert split.Stage("message")(batch("[1,2]", bare=True)).bare  # type: ignore[union-attr]


def test_a_remark_is_on_every_part_of_its_entry() -> None:
    whole = batch("[1,2]", "[3]", start=1, flags={1: "truncated"})
    result = split.Stage("message")(whole)
    assert result is not None
    found = [json.loads(line) for line in JsonEncoder().encode([result]).splitlines()]
    assert ["log" in entry for entry in found] == [True, True, False]


def test_parts_that_are_split_again_are_told_apart_whichever_batch_they_come_in() -> None:
    again = split.Stage(split.Options(field="message", most=2))
    lines = ["[1,2,3]", "x", "[4]", "[5,6]", "[7,8]"]
    whole = batch(*lines).replace(sequences=[1, 1, 1, 1, 2], parts=[1, 2, 3, 4, 0])
    together = entries(again(whole))
    assert [(one.sequence, one.part) for one in together] == [
        (1, 1), (1, 2), (1, 3), (1, 4), (1, 7), (1, 10), (1, 11), (2, 1), (2, 2),
    ]  # fmt: skip
    apart = [one for index in range(5) for one in entries(again(whole.pick([index])))]
    assert apart == together


def test_parts_that_are_joined_again_have_the_number_of_their_first() -> None:
    stage = join.Stage("indent").bind(container())
    parts = split.Stage("message")(batch('["a"," b","c"]', "d", start=4))
    assert parts is not None
    found = entries(stage(parts)) + entries(stage.flush(float("inf")))
    assert [(one.message, one.sequence, one.part) for one in found] == [
        (b"a\n b", 4, 1), (b"c", 4, 3), (b"d", 5, 0),
    ]  # fmt: skip


def test_the_size_of_parts_is_more_than_that_of_their_messages() -> None:
    result = split.Stage("message")(batch(json.dumps([{"a": 1}] * 100)))
    assert result is not None
    assert result.size > 100 * 120 + 100 * 200


def test_what_a_user_may_write() -> None:
    for value in ("records", {"field": "a.b", "into": "c", "most": 5}):
        split.Stage(msgspec.convert(value, split.Config))
    for value in ("", {}, {"field": "a", "most": 0}, {"field": "a", "of": 1}, 5):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(value, split.Config)
    refused: list[tuple[Any, str]] = [
        ("a..b", ""),
        ({"field": ".a"}, "field"),
        ({"field": "a", "into": "event.x"}, "into"),
    ]
    for value, path in refused:
        with pytest.raises(ConfigError) as caught:
            split.Stage(msgspec.convert(value, split.Config))
        assert caught.value.path == path


def test_check_knows_which_field_it_reads_and_makes() -> None:
    effect = split.Stage(split.Options(field="http.r", into="one")).effect()
    assert [(use.field, use.written) for use in effect.reads] == [("http", "http.r")]
    assert effect.makes == {"one"}
    assert split.Stage("r").effect().makes is None
    assert split.Stage("message").effect().reads == ()


def test_a_long_message_of_more_values_than_anybody_writes_stays_whole() -> None:
    some, many = b"[" + b"1234," * 19_000 + b"1]", b"[" + b"1234," * 21_000 + b"1]"
    stage = split.Stage("message")
    assert len(entries(stage(batch(some)))) > 1
    assert [row.message for row in entries(stage(batch(many)))] == [many]
