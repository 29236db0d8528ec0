"""Two overviews as tables, and as a screen of any size."""

from __future__ import annotations

import pytest

from pipeline.cli.top.short_numbers import count, duration, size
from pipeline.cli.top.table import Column, Order, Table
from pipeline.cli.top.view import UNKNOWN, View, figures, snapshot
from pipeline.overview import ContainerNow, Overview, RouteNow, SinkNow


def overview(clock: float, lines: int = 0, *, containers: int = 3, began: float = 1.0) -> Overview:
    return Overview(
        "web-1",
        began,
        clock,
        "",
        [
            ContainerNow(f"{n:012x}", f"shop-{n}", lines * n, lines * n * 10, n, n, float(n))
            for n in range(containers)
        ],
        [RouteNow("all", lines, {"keep": lines // 4})],
        [
            SinkNow("good", "file", "", lines, lines * 100),
            SinkNow("bad", "syslog", "no\x1b[2J route", dropped={"refused": 7}, retried=2),
        ],
    )


def text(view: View, width: int = 80, height: int = 24, containers: int = 3) -> list[str]:
    found = figures(overview(0, containers=containers), overview(2, 100, containers=containers))
    return [line.text for line in view.screen(found, "", width, height)]


def test_rates_are_differences_over_the_agents_own_time() -> None:
    found = figures(overview(10), overview(12, 100))
    assert [row.lines for row in found.containers] == [0, 50, 100]
    assert (found.lines, found.bytes) == (150, 1500)
    [route] = found.routes
    assert (route.came, route.left, route.filtered) == (50, 37.5, 12.5)
    assert (found.sinks[0].delivered, found.sinks[0].bytes) == (50, 5000)


def test_what_a_route_makes_is_among_what_it_leaves() -> None:
    before, after = overview(10), overview(12, 100)
    after.routes[0].made = 50
    assert figures(before, after).routes[0].left == 62.5


@pytest.mark.parametrize("before", [None, overview(10, 500, began=0.0), overview(12, 100)])
def test_rates_are_unknown_without_an_answer_before_of_the_same_run(
    before: Overview | None,
) -> None:
    found = figures(before, overview(12, 100))
    assert {row.lines for row in found.containers} == {UNKNOWN}
    assert found.lines == UNKNOWN


def test_a_container_that_is_new_has_a_rate_from_0() -> None:
    found = figures(overview(10, 100, containers=1), overview(12, 100, containers=3))
    assert [row.lines for row in found.containers] == [0, 50, 100]


@pytest.mark.parametrize("width", [1, 20, 40, 80, 200])
@pytest.mark.parametrize("height", [1, 2, 5, 10, 24, 60])
@pytest.mark.parametrize("containers", [0, 1, 1000])
@pytest.mark.parametrize("focus", [0, 1, 2])
def test_a_screen_has_exactly_the_size_that_there_is(
    width: int, height: int, containers: int, focus: int
) -> None:
    lines = text(View(focus=focus), width, height, containers)
    assert len(lines) == height
    assert max(map(len, lines)) <= width
    assert all(line.isprintable() for line in lines)


def test_the_busiest_container_is_first_and_all_three_tables_are_seen() -> None:
    lines = text(View(), containers=1000)
    names = [line.split()[0] for line in lines if line.startswith("shop-")]
    assert names[:2] == ["shop-999", "shop-998"]
    for title in ("SINK", "ROUTE", "CONTAINER"):
        assert any(line.startswith(title) for line in lines)


def test_scrolling_stops_at_both_ends() -> None:
    view = View()
    text(view, containers=100)
    for key in ("end", "down", "pagedown"):
        view.key(key)
    lines = text(view, containers=100)
    shown = [line.split()[0] for line in lines if line.startswith("shop-")]
    assert shown[-1] == "shop-0"
    assert len(shown) > 5
    for key in ("home", "up", "pageup"):
        view.key(key)
    assert any(line.startswith("shop-99 ") for line in text(view, containers=100))


def test_keys_sort_the_table_that_they_are_for() -> None:
    view = View()
    view.key("tab")
    assert view.focus == 0
    view.key("<")  # the last column, by which the sink that dropped is first
    lines = text(view)
    assert lines.index(next(one for one in lines if one.startswith("bad "))) < lines.index(
        next(one for one in lines if one.startswith("good "))
    )
    view.key("r")
    lines = text(view)
    assert next(one for one in lines if one.startswith(("bad ", "good "))).startswith("good ")


def test_what_is_typed_after_a_slash_filters_and_escape_ends_it() -> None:
    view = View()
    for key in ("/", "q", "backspace", "9", "enter"):
        assert view.key(key)
    lines = text(view, containers=20)
    assert [line.split()[0] for line in lines if line.startswith("shop-")] == ["shop-19", "shop-9"]
    assert "2 of 20" in lines[-1]
    view.key("escape")
    assert view.filter == ""
    assert view.key("q") is False


def test_nothing_that_anybody_named_reaches_the_terminal() -> None:
    lines = text(View())
    assert any("dropped: 7 refused; no\ufffd[2J route" in line for line in lines)


def test_a_snapshot_has_all_of_everything() -> None:
    found = figures(overview(10, containers=500), overview(12, 100, containers=500))
    lines = [line.text for line in snapshot(found)]
    assert sum(line.startswith("shop-") for line in lines) == 500


def test_a_table_that_is_sorted_by_none_is_as_the_agent_has_it() -> None:
    table: Table[str] = Table([Column("NAME", str, left=True)], order=Order())
    assert table.sorted(["b", "c", "a"]) == ["b", "c", "a"]
    table.sort_by(1)
    assert table.sorted(["b", "c", "a"]) == ["a", "b", "c"]
    table.sort_by(1)
    assert table.order.column is None


def test_figures_are_short() -> None:
    numbers = [0, 0.25, 3.5, 12, 999.4, 999.6, 1234, 99_999, 5_500_000, 10**15]
    assert [count(n) for n in numbers] == [
        "0", "0.2", "3.5", "12", "999", "1.0k", "1.2k", "100k", "5.5M", "1000T",
    ]  # fmt: skip
    assert [size(n) for n in (0, 999, 1000, 2**20, 36 * 2**30)] == [
        "0",
        "999",
        "1.0K",
        "1.0M",
        "36G",
    ]
    seconds = [0, 0.04, 0.4, 9.96, 119, 121, 7300, 86400 * 3]
    assert [duration(n) for n in seconds] == ["0s", "0s", "0.4s", "10s", "119s", "2m", "2h", "3d"]
