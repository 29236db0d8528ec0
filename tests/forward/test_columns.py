"""Entries as columns of one container each: what the source's own tests cannot see."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.batch import Batch
from pipeline.encode.forward import ForwardEncoder
from pipeline.forward.columns import Columns, Rows
from pipeline.forward.partials import Partials
from pipeline.forward.reading import objects
from pipeline.testing.builders import batch, container


def rows(*entries: Any) -> list[Columns]:
    it = Rows("host", Partials(2**20), 2**20)
    it.add("tag", {}, list(entries))
    return it.take()


def sent(one: Batch) -> list[Columns]:
    return rows(*objects(ForwardEncoder().encode(one)))


@pytest.mark.parametrize("source", ["logs", "events", "stats"])
def test_another_docklines_entries_are_of_the_source_that_they_were(source: Any) -> None:
    fields = [{"docker": {"event": {"action": "start"}}}]
    (found,) = sent(batch("x", source=source, streams="none", fields=fields, start=5))
    assert (found.source, found.sequences, found.fields) == (source, [5], fields)


def test_those_without_a_message_are_columns_of_their_own_in_order() -> None:
    first = batch("a", "b", fields=[{}, {}])
    bare = batch("", fields=[{"cpu": 1}], bare=True, start=2)
    last = batch("c", fields=[{}], start=3)
    found = rows(
        *[one for it in (first, bare, last) for one in objects(ForwardEncoder().encode(it))]
    )
    assert [(one.bare, one.sequences) for one in found] == [
        (False, [0, 1]), (True, [2]), (False, [3])
    ]  # fmt: skip


def test_containers_do_not_get_mixed_up() -> None:
    one, other = container("one", number=1), container("other", number=2)
    batches = [batch("a", of=one), batch("b", of=other), batch("c", of=one, start=1)]
    found = rows(*[entry for it in batches for entry in objects(ForwardEncoder().encode(it))])
    assert [(it.facts[1], it.lines) for it in found] == [("one", [b"a", b"c"]), ("other", [b"b"])]


@pytest.mark.parametrize(
    "event",
    [
        {"dataset": "docker.logs", "sequence": -1},
        {"dataset": "docker.logs", "sequence": 2**62},
        {"dataset": "docker.logs", "sequence": "1"},
        {"dataset": "docker.logs", "sequence": True},
        {"dataset": "nginx.access", "sequence": 1},
        {"dataset": ["docker.logs"], "sequence": 1},
        {"sequence": 1},
        "event",
    ],
)
def test_what_only_looks_like_ours_is_a_strangers_with_all_its_fields(event: Any) -> None:
    record = {"message": "m", "event": event, "container": {"id": "f" * 64, "name": "x"}}
    (found,) = rows([1, dict(record)])
    assert (found.facts[1], found.sequences, found.lines) == ("tag", [], [b"m"])
    assert found.fields == [{"event": event, "container": {"id": "f" * 64, "name": "x"}}]


def test_the_cost_of_what_is_added_is_counted() -> None:
    it = Rows("host", Partials(2**20), 2**20)
    it.add("tag", {}, [[1, {"message": "x" * 1000}]])
    small = it.cost
    it.add("tag", {}, [[1, {"message": "", "lists": [[]] * 1000}]])
    assert 1000 < small < 2000
    assert it.cost - small > 100_000
    it.take()
    assert it.cost == 0
