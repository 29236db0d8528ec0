"""Entries as columns of one container each: what the source's own tests cannot see."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest

from pipeline.encode.forward import ForwardEncoder
from pipeline.forward.columns import CONTAINER_COST, ForwardColumns, Rows
from pipeline.forward.partials import Partials
from pipeline.forward.reading import objects
from pipeline.model.batch import Batch
from pipeline.model.container import LONGEST_NAME
from pipeline.model.label_limits import MOST_LABELS
from pipeline.testing.builders import batch, container


def rows(*entries: Any) -> list[ForwardColumns]:
    it = Rows("host", Partials(2**20), 2**20)
    it.add("tag", {}, list(entries))
    return it.take()


def sent(one: Batch) -> list[ForwardColumns]:
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
    it.add("tag", {}, [[1, {"message": "x" * 1000}]], 1010)
    small = it.cost
    it.add("tag", {}, [[1, {"message": "", "lists": [[]] * 1000}]])
    assert 1000 < small - CONTAINER_COST < 2000
    assert it.cost - small > 100_000
    it.take()
    assert it.cost == 0


# -- what costs memory -------------------------------------------------------------------------


def test_facts_of_a_chunk_are_made_once_however_often_a_container_changes() -> None:
    it, id_ = Rows("host", Partials(2**20), 2**26), "a" * 64
    facts = {id_: ["n", "i", {str(n): "" for n in range(1000)}, "h"]}
    ours = {"event": {"dataset": "docker.logs", "sequence": 1}, "container": {"id": id_}}
    for _ in range(3):
        it.add("tag", {"dockline": facts}, [[1, {**ours, "message": "x"}], [1, dict(ours)]] * 5)
    found = it.take()
    assert len(found) == 30
    assert len({id(one.facts[3]) for one in found}) == 1


def test_names_and_labels_of_a_container_are_bounded() -> None:
    labels = {f"{n:04}": "x" * 1000 for n in range(1000)}
    record = {"container_id": "a" * 64, "container_name": "n" * 10_000, "log": "x", **labels}
    it = Rows("host", Partials(2**20), 2**26)
    it.add("tag", {}, [[1, record]])
    (found,) = it.take()
    _, name, _, kept, *_ = found.facts
    assert len(name) == LONGEST_NAME
    assert MOST_LABELS - 1004 < sum(len(k) + len(v) for k, v in kept.items()) <= MOST_LABELS


def test_bytes_of_fields_count() -> None:
    it = Rows("host", Partials(2**20), 2**26)
    it.add("tag", {}, [[1, {"message": "", "x": "y" * 50_000}]], 50_020)
    assert it.cost > 50_000


def test_parts_of_a_line_that_never_ends_cost_their_bytes() -> None:
    """Beside these, whatever is said of them."""
    partials, nothing = Partials(1000), {"partial_message": "true"}
    nest: Any = "x"
    for _ in range(5000):
        nest = [nest]
    tracemalloc.start()
    try:
        for number in range(100_000):
            more = {"log": b"ab", "partial_id": "p", "partial_ordinal": str(number % 2 + 1)}
            assert partials.add("a", 1, 0, nothing | more) is None
        for number in range(100):
            more = {"log": b"x", "partial_id": f"{number}" + "p" * 100_000}
            assert partials.add("a", 1, 0, nothing | more) is None
        odd = {"log": b"", "partial_id": nest, "partial_ordinal": nest, "partial_last": nest}
        assert partials.add("a", 1, 0, nothing | odd) is None
        assert tracemalloc.get_traced_memory()[0] < 200_000
    finally:
        tracemalloc.stop()
