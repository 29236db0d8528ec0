"""Requests of the bulk API, the names and ids in them, and answers of every kind."""

from __future__ import annotations

import json
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.encode.bulk import (
    NAMELESS,
    BulkEncoder,
    Index,
    Result,
    are_all_created,
    fit,
    pairs,
    results,
)
from pipeline.expression import compile_template
from pipeline.model.batch import Batch
from pipeline.model.errors import ConfigError
from pipeline.testing.builders import batch, container
from pipeline.testing.hostile import hostile

pytestmark = pytest.mark.usefixtures("either_loops")


def encoder(index: str = "logs", **options: Any) -> BulkEncoder:
    return BulkEncoder(Index(index, compile_template), **options)


def actions(index: str, *batches: Batch, **options: Any) -> list[dict[str, str]]:
    lines = encoder(index, **options).encode(batches).split(b"\n")
    return [json.loads(line)["create"] for line in lines[0:-1:2]]


def names(index: str, *batches: Batch) -> list[str]:
    return [action["_index"] for action in actions(index, *batches)]


def ids(*batches: Batch) -> list[str]:
    return [action["_id"] for action in actions("logs", *batches)]


# -- requests ------------------------------------------------------------------------------------


def test_each_entry_is_an_action_and_a_document() -> None:
    whole = encoder().encode([batch("one", "two\n", fields=[{"status": 500}, {}])])
    first, second, third, fourth, end = whole.split(b"\n")
    assert json.loads(first)["create"].keys() == json.loads(third)["create"].keys()
    assert json.loads(second)["message"] == "one"
    assert json.loads(second)["status"] == 500
    assert json.loads(fourth)["message"] == "two\n"
    assert end == b""


def test_pairs_are_the_lines_of_each_entry() -> None:
    batches = [*hostile(), batch("one", "two")]
    whole = encoder().encode(batches)
    apart = pairs(whole)
    assert len(apart) == sum(map(len, batches))
    assert b"".join(apart) == whole
    assert all(one.count(b"\n") == 2 for one in apart)
    assert pairs(b"") == []


def test_hostile_batches_are_lines_of_json() -> None:
    index = "{container.name}-{container.image}-{level}-{message}-%Y"
    lines = encoder(index).encode(given := hostile()).split(b"\n")[:-1]
    assert len([json.loads(line) for line in lines]) == 2 * sum(map(len, given))


# -- ids -----------------------------------------------------------------------------------------


def test_an_entry_has_the_same_id_whenever_and_with_whatever_it_is_sent() -> None:
    whole = batch("a", "b", "c", start=7)
    assert ids(whole.pick([1]), whole.pick([2])) == ids(whole)[1:]
    read_again = batch("a", "b", "c", start=7, of=container())
    assert ids(read_again) == ids(whole)


def test_what_differs_in_anything_that_tells_entries_apart_differs_in_its_id() -> None:
    one = batch("x")
    others = [
        batch("x", of=container(number=2)),
        batch("x", start=1),
        one.replace(times=[b"2026-01-31T23:59:59.000000001Z"]),
        one.replace(source="events"),
        one.replace(route="other"),
        one.replace(parts=[1]),
        one.replace(parts=[2]),
    ]
    assert len(set(ids(one, *others))) == 1 + len(others)
    assert ids(one.replace(parts=[0])) == ids(one), "an entry that is whole"


def test_an_id_is_short() -> None:
    assert len(ids(batch("x", start=10**9))[0]) < 70


def test_without_ids_there_are_none() -> None:
    assert actions("logs", batch("a", "b"), ids=False) == [{"_index": "logs"}] * 2
    some = batch("a", "b", fields=[{"t": "x"}, {"t": "y"}])
    assert actions("{t}", some, ids=False) == [{"_index": "x"}, {"_index": "y"}]


# -- names of indices ------------------------------------------------------------------------------


def test_the_name_is_a_template() -> None:
    assert names("logs-docker.{source}-default", batch("a"), batch("b", source="events")) == [
        "logs-docker.logs-default",
        "logs-docker.events-default",
    ]
    some = batch("a", "b", fields=[{"team": "Blue"}, {}])
    assert names("logs-{team}", some) == ["logs-blue", "logs-"]


def test_dates_are_of_the_entrys_own_time() -> None:
    times = [b"2026-01-31T23:59:59.000000000Z", b"2026-02-01T00:00:00.000000000Z"]
    some = batch("a", "b", fields=[{"t": "x"}, {"t": "y"}]).replace(times=times)
    assert names("d-%Y.%m.%d-%H", some) == ["d-2026.01.31-23", "d-2026.02.01-00"]
    assert names("d-%Y.%m", some.pick([0])) == ["d-2026.01"]
    assert names("{t}-%Y", some) == ["x-2026", "y-2026"]
    assert names("{t}-%d", some) == ["x-31", "y-01"]
    assert names("{container.name}-%d", some) == ["api-1-31", "api-1-01"]


@pytest.mark.fault(101)
def test_what_an_entry_says_is_no_index_of_the_system() -> None:
    some = batch("a", "b", fields=[{"t": ".kibana"}, {"t": "..x/../*"}])
    assert names("{t}", some) == ["kibana", "x_..__"]
    assert names("{t}-%Y", some.pick([0])) == ["kibana-2026"]
    assert names(".own-{t}", some.pick([0])) == [".own-.kibana"]


def test_what_an_entry_says_is_no_date() -> None:
    assert names("{t}-%Y", batch("a", fields=[{"t": "%m"}])) == ["%m-2026"]


@pytest.mark.parametrize(
    ("index", "column", "message"),
    [
        ("logs-%y", 5, "no %y"),
        ("logs-%", 5, "there are %Y, %m, %d, %H"),
        ("%Y-{container.nam}", 4, "a container has no"),
        ("{", 0, "braces"),
    ],
)
def test_a_wrong_name_is_said_with_its_place(index: str, column: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        Index(index, compile_template)
    assert error.value.column is not None and error.value.column >= column


def test_a_percent_in_an_expression_is_one_of_python() -> None:
    assert names("shard-{n % 2}", batch("a", fields=[{"n": 3}])) == ["shard-1"]


def test_what_a_name_cannot_have_is_replaced() -> None:
    assert fit('-_+A\\/*?"<>| ,#:\n\ud800é') == "a" + "_" * 14 + "é"
    assert fit("") == fit(".") == fit("..") == fit("---") == NAMELESS


@given(st.text(max_size=400))
def test_every_name_is_one_that_elasticsearch_takes(text: str) -> None:
    name = fit(text)
    assert not set(name) & set(string.ascii_uppercase)
    assert len(name.encode()) <= 255
    assert not set(name) & set('\\/*?"<>| ,#:')
    assert name not in (".", "..") and name[0] not in "-_+"


# -- answers -------------------------------------------------------------------------------------


def test_results_are_of_each_entry_in_order() -> None:
    body = b"""{"took":3,"errors":true,"items":[
        {"create":{"_index":"a","_id":"1","status":201,"result":"created"}},
        {"create":{"status":429,"error":{"type":"es_rejected_execution_exception"}}},
        {"create":{"status":400,"error":{"type":"t","reason":"r","caused_by":{"type":"x"}}}},
        {"index":{"status":400,"error":"MapperParsingException[...]"}}]}"""
    assert results(body, 4) == [
        Result(201, ""),
        Result(429, "es_rejected_execution_exception"),
        Result(400, "t: r"),
        Result(400, "MapperParsingException[...]"),
    ]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"items":null}',
        b'{"items":[{"create":{"status":201}}',
        b'{"items":[{"create":{"status":"201"}}]}',
        b'{"items":[{"create":{}}]}',
        b'{"items":[201]}',
        b"<html>It works!</html>",
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_what_is_no_answer_to_a_bulk_request_is_none(body: bytes) -> None:
    with pytest.raises(ValueError, match="is no answer to a bulk request"):
        results(body, 1)


@pytest.mark.parametrize("items", [b"", b'{"create":{"status":201}},' * 2, b"{}", b"{},{}"])
def test_an_answer_of_another_number_of_results_is_none(items: bytes) -> None:
    with pytest.raises(ValueError, match="has results of"):
        results(b'{"items":[' + items.removesuffix(b",") + b"]}", 1)


def test_an_answer_that_all_were_created_is_known_at_once() -> None:
    for before in (b"", b'"took":7,"errors":false,'):
        created = b'{"create":{"status":201}}'
        body = b"{" + before + b'"items":[' + b",".join([created] * 3) + b"]}"
        assert are_all_created(body, 3)
        assert not are_all_created(body, 2)
        assert not are_all_created(body[:-1], 3)
        assert not are_all_created(body.replace(b"201", b"409", 1), 3)
        assert not are_all_created(body[1:], 3)
        assert [one.status for one in results(body, 3)] == [201] * 3
    assert not are_all_created(b"", 1)
    assert not are_all_created(b'"items":[{"create":{"status":201}}]}', 1)
