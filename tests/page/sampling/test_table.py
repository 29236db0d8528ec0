"""The table of all containers: what has changed, and nothing else, is made anew."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

import pytest

from pipeline.observe.waiting import Waiting
from pipeline.page.names import LONGEST
from pipeline.page.sampling import table as module
from pipeline.page.sampling.agent_view import Facts
from pipeline.page.sampling.rows import COLUMNS
from pipeline.page.sampling.table import TOGETHER, Table
from pipeline.support.selector import Pause
from pipeline.testing.builders import container
from tests.page.sampling.fakes import FakeContainers


async def changed(table: Table, elapsed: float | None = 2.0) -> list[dict[str, Any]]:
    """Takes a sample, and returns the rows that changed."""
    before = table.version
    await table.update(Waiting({}, (), {}, 0.0), elapsed, by_host=False)
    rows = await table.changed_since(before, lambda row: True, Pause())
    return [dict(zip(COLUMNS, json.loads(row), strict=True)) for row in rows]


async def test_only_rows_that_changed_are_made_anew() -> None:
    containers = FakeContainers(5)
    table = Table(containers)
    assert len(await changed(table, None)) == 5
    await changed(table)
    assert await changed(table) == []
    containers.read(2, 100)
    (row,) = await changed(table)
    assert (row["name"], row["lines"], row["lines_per_second"]) == ("c2", 100, 50.0)
    (row,) = await changed(table)
    assert row["lines_per_second"] == 0.0
    assert await changed(table) == []


async def test_a_change_of_state_changes_its_row() -> None:
    containers = FakeContainers(2)
    table = Table(containers)
    await changed(table, None)
    await changed(table)
    actor = {"ID": containers.facts[1].container.id, "Attributes": {"exitCode": "1"}}
    containers.states.observe({"Action": "die", "Actor": actor, "timeNano": 10**9})
    (row,) = await changed(table)
    assert (row["state"], row["exit_code"]) == ("exited", 1)


async def test_restarts_are_those_of_its_policy_or_else_the_starts_that_were_seen() -> None:
    containers = FakeContainers(1)
    table = Table(containers)
    await changed(table, None)
    key = containers.facts[0].container.id
    for action in ("start", "die", "start"):
        actor = {"ID": key, "Attributes": {"exitCode": "1"}}
        containers.states.observe({"Action": action, "Actor": actor, "timeNano": 2 * 10**9})
    (row,) = await changed(table)
    assert (row["restarts"], row["started"]) == (1, 2.0)
    answer = {"State": {"Status": "running"}, "RestartCount": 7}
    containers.states.inspected(key, answer, time.time() + 1)
    (row,) = await changed(table)
    assert row["restarts"] == 7


async def test_what_waits_is_looked_at_each_time() -> None:
    containers = FakeContainers(1)
    table = Table(containers)
    (container_account,) = containers.ledger.containers.values()
    account = container_account.route("logs", "all").sink("out")
    account.routed += 7
    (row,) = await changed(table, None)
    assert row["waiting"] == 7
    account.drop(7, "drop_newest")
    row = (await changed(table))[0]
    assert (row["waiting"], row["dropped"]) == (0, 7)


async def test_routes_and_projects_add_up() -> None:
    containers = FakeContainers(4)
    table = Table(containers)
    await changed(table, None)
    assert [one.lines_per_second for one in table.projects] == [None, None]
    containers.read(0, 10, filtered=4)
    containers.read(1, 20)
    containers.read(2, 30)
    await changed(table)
    assert table.flows == {("all", "taken"): 60, ("all", "passed"): 56}
    assert table.lines == 60
    assert table.by_route["all"] == 3
    assert [(one.name, one.containers, one.lines_per_second) for one in table.projects] == [
        ("p0", 2, 20.0), ("p1", 2, 10.0),
    ]  # fmt: skip


async def test_containers_that_go_are_told_once_and_their_lines_stay_counted() -> None:
    containers = FakeContainers(3)
    table = Table(containers)
    containers.read(0, 10)
    await changed(table, None)
    gone = containers.facts.pop(0)
    await changed(table)
    assert table.gone_since(table.version - 1) == [gone.container.id]
    assert table.gone_since(table.version) == []
    assert (len(table.rows), table.lines) == (2, 10)


async def test_a_container_that_is_there_again_is_not_told_as_removed() -> None:
    containers = FakeContainers(2)
    table = Table(containers)
    await changed(table, None)
    (gone, _) = containers.facts
    containers.facts.remove(gone)
    await changed(table)
    containers.facts.append(gone)
    assert [row["id"] for row in await changed(table)] == [gone.container.id]
    assert table.gone_since(table.version - 2) == []


async def test_a_viewer_of_an_earlier_table_is_told_everything() -> None:
    containers = FakeContainers(1)
    table = Table(containers, version=40)
    await changed(table, None)
    assert table.gone_since(40) is None
    assert table.gone_since(41) == []


async def test_a_rename_keeps_its_figures() -> None:
    containers = FakeContainers(1)
    table = Table(containers)
    containers.read(0, 10)
    await changed(table, None)
    containers.facts[0] = Facts(
        container("renamed", number=0), followed=True, why="", label_errors={}
    )
    (row,) = await changed(table)
    assert (row["name"], row["lines"], table.lines) == ("renamed", 10, 10)


async def test_a_container_that_comes_back_with_a_new_account_is_counted_from_zero() -> None:
    containers = FakeContainers(1)
    table = Table(containers)
    containers.read(0, 100)
    await changed(table, None)
    key = containers.facts[0].container.id
    del containers.ledger.containers[key]
    containers.ledger.container(key, "c0")
    containers.read(0, 10)
    (row,) = await changed(table)
    assert (row["lines"], row["lines_per_second"]) == (10, 5.0)
    assert table.lines == 110
    assert table.flows["all", "taken"] == 110


async def test_a_state_that_was_forgotten_and_is_known_again_is_shown() -> None:
    containers = FakeContainers(1)
    table = Table(containers)
    key = containers.facts[0].container.id
    await changed(table, None)
    for action, state in (("start", "running"), ("destroy", ""), ("die", "exited")):
        actor = {"ID": key, "Attributes": {}}
        containers.states.observe({"Action": action, "Actor": actor, "timeNano": 10**9})
        (row,) = await changed(table)
        assert row["state"] == state


async def test_sums_change_with_their_rows_only() -> None:
    containers = FakeContainers(2)
    table = Table(containers)
    containers.read(0, 10)
    await changed(table, None)
    for _ in range(3):
        await changed(table)
    sums = table.projects
    await changed(table)
    assert table.projects is sums
    actor = {"ID": containers.facts[1].container.id, "Attributes": {}}
    containers.states.observe({"Action": "start", "Actor": actor, "timeNano": 10**9})
    await changed(table)
    assert (table.running, table.followed) == (1, 2)


async def test_hostile_names_are_valid_text_on_one_line() -> None:
    containers = FakeContainers(1)
    containers.facts[0] = Facts(
        container("\x1b[2J\n\u202e\ud800<script>", image="\0", number=0),
        followed=False, why="no", label_errors={"a\ud800": "b"},
    )  # fmt: skip
    (row,) = await changed(Table(containers), None)
    assert row["name"].endswith("<script>")
    assert row["name"].isprintable()


async def test_the_agent_goes_on_while_rows_are_chosen() -> None:
    containers = FakeContainers(3 * TOGETHER)
    table = Table(containers)
    await changed(table)
    turns = 0

    async def pause() -> None:
        nonlocal turns
        turns += 1

    rows = await table.changed_since(0, lambda row: True, pause)
    assert (len(rows), turns) == (3 * TOGETHER, 3)


async def test_labels_make_answers_no_longer_than_names_need() -> None:
    containers = FakeContainers(1)
    labels = {
        "com.docker.compose.project": "p" * 90_000,
        "com.docker.compose.service": "s" * 90_000,
    }
    one = container("c", number=0, image="i" * 90_000, labels=labels)
    containers.facts = [replace(containers.facts[0], container=one)]
    table = Table(containers)
    [row] = await changed(table)
    assert max(map(len, (row["project"], row["service"], row["image"]))) == LONGEST
    assert [len(one.name) for one in table.projects] == [LONGEST]


async def test_of_many_projects_those_with_the_most_containers_are_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MOST_PROJECTS", 1)
    table = Table(FakeContainers(3))  # two of p0, one of p1
    await changed(table)
    assert ([one.name for one in table.projects], table.other_projects) == (["p0"], 1)
