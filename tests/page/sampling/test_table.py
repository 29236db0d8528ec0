"""The table of all containers: what has changed, and nothing else, is made anew."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from pipeline.accounting.ledger import ContainerAccount, Ledger, add
from pipeline.observe.waiting import Waiting
from pipeline.page.names import LONGEST
from pipeline.page.sampling import table as module
from pipeline.page.sampling.agent_view import Facts
from pipeline.page.sampling.rows import COLUMNS
from pipeline.page.sampling.states import State, States
from pipeline.page.sampling.table import TOGETHER, Table
from pipeline.page.sampling.usage import Usage
from pipeline.support.selector import Pause
from pipeline.testing.builders import container


class Some:
    """Containers of a test, with real accounts and states."""

    def __init__(self, count: int) -> None:
        self.facts = [
            Facts(
                container(f"c{n}", number=n, labels={"com.docker.compose.project": f"p{n % 2}"}),
                followed=True, why="", label_errors={},
            )
            for n in range(count)
        ]  # fmt: skip
        self.ledger, self.states = Ledger(), States()
        for one in self.facts:
            self.ledger.container(one.container.id, one.container.name)

    async def all(self) -> list[Facts]:
        return list(self.facts)

    def account(self, container_id: str) -> ContainerAccount | None:
        return self.ledger.containers.get(container_id)

    def state(self, container_id: str) -> State:
        return self.states.of(container_id)

    def usage(self, container_id: str) -> Usage | None:
        return None

    def read(self, number: int, lines: int, *, filtered: int = 0) -> None:
        """Reads lines of a container, all of which go to a sink that has them at once."""
        account = self.ledger.containers[self.facts[number].container.id]
        add(account.read, "logs", lines)
        route = account.route("logs", "all")
        route.bound = True
        route.taken += lines
        if filtered:
            add(route.filtered, "keep", filtered)
        sink = route.sink("out")
        sink.routed += lines - filtered
        sink.delivered += lines - filtered


async def look(table: Table, elapsed: float | None = 2.0) -> list[dict[str, Any]]:
    """Looks, and returns the rows that changed."""
    before = table.version
    await table.look(Waiting({}, (), {}, 0.0), elapsed, by_host=False)
    rows = await table.changed_since(before, lambda row: True, Pause())
    return [dict(zip(COLUMNS, json.loads(row), strict=True)) for row in rows]


async def test_only_rows_that_changed_are_made_anew() -> None:
    some = Some(5)
    table = Table(some)
    assert len(await look(table, None)) == 5
    await look(table)
    assert await look(table) == []
    some.read(2, 100)
    (row,) = await look(table)
    assert (row["name"], row["lines"], row["lines_per_second"]) == ("c2", 100, 50.0)
    (row,) = await look(table)
    assert row["lines_per_second"] == 0.0
    assert await look(table) == []


async def test_a_change_of_state_changes_its_row() -> None:
    some = Some(2)
    table = Table(some)
    await look(table, None)
    await look(table)
    actor = {"ID": some.facts[1].container.id, "Attributes": {"exitCode": "1"}}
    some.states.observe({"Action": "die", "Actor": actor, "timeNano": 10**9})
    (row,) = await look(table)
    assert (row["state"], row["exit_code"]) == ("exited", 1)


async def test_what_waits_is_looked_at_each_time() -> None:
    some = Some(1)
    table = Table(some)
    account = some.ledger.containers[some.facts[0].container.id].route("logs", "all").sink("out")
    account.routed += 7
    (row,) = await look(table, None)
    assert row["waiting"] == 7
    account.drop(7, "drop_newest")
    row = (await look(table))[0]
    assert (row["waiting"], row["dropped"]) == (0, 7)


async def test_routes_and_projects_add_up() -> None:
    some = Some(4)
    table = Table(some)
    await look(table, None)
    assert [one.lines_per_second for one in table.projects] == [None, None]
    some.read(0, 10, filtered=4)
    some.read(1, 20)
    some.read(2, 30)
    await look(table)
    assert table.flows == {("all", "taken"): 60, ("all", "passed"): 56}
    assert table.lines == 60
    assert table.by_route["all"] == 3
    assert [(one.name, one.containers, one.lines_per_second) for one in table.projects] == [
        ("p0", 2, 20.0), ("p1", 2, 10.0),
    ]  # fmt: skip


async def test_containers_that_go_are_told_once_and_their_lines_stay_counted() -> None:
    some = Some(3)
    table = Table(some)
    some.read(0, 10)
    await look(table, None)
    gone = some.facts.pop(0)
    await look(table)
    assert table.gone_since(table.version - 1) == [gone.container.id]
    assert table.gone_since(table.version) == []
    assert (len(table.rows), table.lines) == (2, 10)


async def test_a_container_that_is_there_again_is_not_told_as_removed() -> None:
    some = Some(2)
    table = Table(some)
    await look(table, None)
    (gone, _) = some.facts
    some.facts.remove(gone)
    await look(table)
    some.facts.append(gone)
    assert [row["id"] for row in await look(table)] == [gone.container.id]
    assert table.gone_since(table.version - 2) == []


async def test_a_viewer_of_an_earlier_table_is_told_everything() -> None:
    some = Some(1)
    table = Table(some, version=40)
    await look(table, None)
    assert table.gone_since(40) is None
    assert table.gone_since(41) == []


async def test_a_rename_keeps_its_figures() -> None:
    some = Some(1)
    table = Table(some)
    some.read(0, 10)
    await look(table, None)
    some.facts[0] = Facts(container("renamed", number=0), followed=True, why="", label_errors={})
    (row,) = await look(table)
    assert (row["name"], row["lines"], table.lines) == ("renamed", 10, 10)


async def test_a_container_that_comes_back_with_a_new_account_is_counted_from_zero() -> None:
    some = Some(1)
    table = Table(some)
    some.read(0, 100)
    await look(table, None)
    key = some.facts[0].container.id
    del some.ledger.containers[key]
    some.ledger.container(key, "c0")
    some.read(0, 10)
    (row,) = await look(table)
    assert (row["lines"], row["lines_per_second"]) == (10, 5.0)
    assert table.lines == 110
    assert table.flows["all", "taken"] == 110


async def test_a_state_that_was_forgotten_and_is_known_again_is_shown() -> None:
    some = Some(1)
    table = Table(some)
    key = some.facts[0].container.id
    await look(table, None)
    for action, state in (("start", "running"), ("destroy", ""), ("die", "exited")):
        actor = {"ID": key, "Attributes": {}}
        some.states.observe({"Action": action, "Actor": actor, "timeNano": 10**9})
        (row,) = await look(table)
        assert row["state"] == state


async def test_sums_change_with_their_rows_only() -> None:
    some = Some(2)
    table = Table(some)
    some.read(0, 10)
    await look(table, None)
    for _ in range(3):
        await look(table)
    sums = table.projects
    await look(table)
    assert table.projects is sums
    actor = {"ID": some.facts[1].container.id, "Attributes": {}}
    some.states.observe({"Action": "start", "Actor": actor, "timeNano": 10**9})
    await look(table)
    assert (table.running, table.followed) == (1, 2)


async def test_hostile_names_are_valid_text_on_one_line() -> None:
    some = Some(1)
    some.facts[0] = Facts(
        container("\x1b[2J\n\u202e\ud800<script>", image="\0", number=0),
        followed=False, why="no", label_errors={"a\ud800": "b"},
    )  # fmt: skip
    (row,) = await look(Table(some), None)
    assert row["name"].endswith("<script>")
    assert row["name"].isprintable()


async def test_the_agent_goes_on_while_rows_are_chosen() -> None:
    some = Some(3 * TOGETHER)
    table = Table(some)
    await look(table)
    turns = 0

    async def pause() -> None:
        nonlocal turns
        turns += 1

    rows = await table.changed_since(0, lambda row: True, pause)
    assert (len(rows), turns) == (3 * TOGETHER, 3)


async def test_labels_make_answers_no_longer_than_names_need() -> None:
    some = Some(1)
    labels = {
        "com.docker.compose.project": "p" * 90_000,
        "com.docker.compose.service": "s" * 90_000,
    }
    one = container("c", number=0, image="i" * 90_000, labels=labels)
    some.facts = [replace(some.facts[0], container=one)]
    table = Table(some)
    [row] = await look(table)
    assert max(map(len, (row["project"], row["service"], row["image"]))) == LONGEST
    assert [len(one.name) for one in table.projects] == [LONGEST]


async def test_of_many_projects_those_with_the_most_containers_are_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MOST_PROJECTS", 1)
    table = Table(Some(3))  # two of p0, one of p1
    await look(table)
    assert ([one.name for one in table.projects], table.other_projects) == (["p0"], 1)
