"""Two overviews as a screen of any size."""

from __future__ import annotations

import re

import pytest

from pipeline.cli.top.figures import Figures
from pipeline.cli.top.help import SORTED_BY
from pipeline.cli.top.rates import Rates, rates, with_figures
from pipeline.cli.top.view import View, snapshot
from tests.cli.top.overviews import overview


def text(view: View, width: int = 80, height: int = 24, containers: int = 3) -> list[str]:
    found = rates(overview(0, containers=containers), overview(2, 100, containers=containers))
    return [line.text for line in view.screen(found, "", width, height)]


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
    found = rates(overview(10, containers=500), overview(12, 100, containers=500))
    lines = [line.text for line in snapshot(found)]
    assert sum(line.startswith("shop-") for line in lines) == 500


def test_the_help_fits_a_terminal_of_80_by_24_and_names_each_key() -> None:
    view = View()
    view.key("?")
    lines = text(view)
    assert not any(line.endswith("..") for line in lines)
    assert all(any(f"{key} {title}" in line for line in lines) for key, title in SORTED_BY.items())
    view.key("escape")
    assert any(line.startswith("CONTAINER") for line in text(view))


def figured(**by_name: Figures) -> Rates:
    found = rates(overview(0), overview(2, 100))
    ids = {f"{n:012x}": by_name.get(f"c{n}", Figures()) for n in range(3)}
    return with_figures(found, ids)


def shown(view: View, found: Rates, width: int) -> str:
    return "\n".join(line.text for line in view.screen(found, "", width, 24))


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        (Figures(state="running"), "running"),
        (Figures(state="running", health="unhealthy"), "unhealthy"),
        (Figures(state="exited", exit_code=3), "exited 3"),
        (Figures(state="exited", exit_code=137, oom=1), "out of memory"),
        (Figures(state="re\x1b[2Jstarting"), "re\ufffd[2Jstarting"),
        (Figures(), "-"),
    ],
)
def test_the_state_is_said_in_a_word_or_two(figures: Figures, words: str) -> None:
    rows = shown(View(), figured(c1=figures), 120).splitlines()
    [row] = [row for row in rows if row.startswith("shop-1 ")]
    assert re.split(r"\s{2,}", row)[1] == words


def test_columns_are_left_out_by_rank_where_there_is_no_room() -> None:
    view, found = View(), figured(c1=Figures(state="running", cpu=1.5, memory=3e6))
    titles = [shown(view, found, width).splitlines() for width in (40, 80, 200)]
    narrow, usual, wide = (
        next(line for line in lines if line.startswith("CONTAINER")) for lines in titles
    )
    assert narrow.split() == ["CONTAINER", "STATE", "CPU", "LINES/Sv"]
    assert "STATE" in usual and "NET IN" not in usual
    assert "NET IN" in wide and "OF LIMIT" in wide
    assert "150%" in shown(view, found, 80)


def test_keys_sort_by_the_figures_and_sort_back() -> None:
    view, found = View(), figured(c0=Figures(cpu=0.1), c1=Figures(cpu=2.0))
    view.key("tab")
    view.key("c")
    assert view.focus == 2
    first = [row.now.name for row in view.containers.sorted(view.chosen(found))]
    assert first == ["shop-1", "shop-0", "shop-2"]
    view.key("c")
    assert [row.now.name for row in view.containers.sorted(view.chosen(found))] == first[::-1]


def test_each_word_of_the_filter_is_looked_for_in_what_is_known() -> None:
    view = View(filter="NGINX unhealthy")
    found = figured(
        c0=Figures(image="nginx:1", health="unhealthy"),
        c1=Figures(image="nginx:1", health="healthy"),
    )
    assert [row.now.name for row in view.chosen(found)] == ["shop-0"]


def test_why_there_are_no_figures_is_said_at_the_foot() -> None:
    view = View(without="20 are watching already")
    assert "no CPU, memory and state: 20 are watching already" in text(view)[-1]
