"""Two overviews as a screen of any size."""

from __future__ import annotations

import pytest

from pipeline.cli.top.rates import rates
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
