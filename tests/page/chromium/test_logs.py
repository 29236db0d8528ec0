"""The lines as they come: searched in the agent, shown as text, and kept in their place."""

from __future__ import annotations

import json
import re
import time

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.page.chromium.conftest import Opener, Started
from tests.page.chromium.house import House

TRACE = (
    "Traceback (most recent call last):",
    '  File "/app/shop.py", line 12, in load',
    "    raise KeyError(order)",
    "KeyError: 'ord-17'",
)


def tail(opened: Opener, house: House, query: str = "") -> tuple[Page, Locator]:
    """The view of lines, once the agent sends them, and its pane."""
    page = opened(house.agent, f"#/logs?{query}")
    expect(page.get_by_text("● Live")).to_be_visible()
    return page, page.locator(".pane")


def test_lines_come_with_their_container_level_and_where_they_go(
    opened: Opener, house: House
) -> None:
    api = house.runs("api")
    page, pane = tail(opened, house, f"c={api}")
    house.say(api, '{"level":"error","msg":"boom","status":502,"user":{"id":7}}')
    line = pane.get_by_role("row").filter(has_text="boom")
    expect(line).to_be_visible()
    for text in (api, "error", "status", "502", "all→store", "errors→papertrail"):
        expect(line).to_contain_text(text)
    house.say(api, "the next one")
    expect(pane).to_contain_text("the next one")
    assert page.locator(".pane").get_by_text("boom").count() == 1, "it went two ways, and is one"


def test_the_agent_searches_for_text_and_says_how_many_lines_match(
    opened: Opener, house: House
) -> None:
    api = house.runs("api")
    page, pane = tail(opened, house, f"c={api}")
    page.keyboard.press("/")
    page.keyboard.type("NEEDLE")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("q=NEEDLE"))
    page.wait_for_timeout(500)
    for number in range(5):
        house.say(api, *[f"hay {number}"] * 10, "a NEEDLE in it", "a needle in lower case")
        time.sleep(0.3)
    expect(pane).to_contain_text("a NEEDLE in it")
    expect(page.locator(".logs-status")).to_contain_text(re.compile(r"\d+ of \d+ lines match"))
    expect(pane).not_to_contain_text("hay")
    expect(pane).not_to_contain_text("lower case")
    assert any("match=NEEDLE" in path for path in opened.tabs[0].requests)


@pytest.mark.parametrize(
    ("mode", "query", "found", "other"),
    [
        ("regex", "time(out|d out)", "it timed out", "in time"),
        ("where", "status >= 500", "bad gateway", "fine"),
    ],
)
def test_a_pattern_or_an_expression_chooses_lines(
    opened: Opener, house: House, mode: str, query: str, found: str, other: str
) -> None:
    api = house.runs("api")
    page, pane = tail(opened, house, f"c={api}")
    page.get_by_label("Kind of search").select_option(mode)
    page.get_by_label("Search", exact=True).fill(query)
    page.get_by_label("Search", exact=True).press("Enter")
    page.wait_for_timeout(700)
    house.say(api, "it timed out", "in time", '{"status":502,"msg":"bad gateway"}')
    house.say(api, '{"status":200,"msg":"fine"}', "it timed out", "the end")
    expect(pane).to_contain_text(found)
    expect(pane).not_to_contain_text(other)


def test_an_expression_that_makes_no_sense_is_refused_with_the_reason(
    opened: Opener, house: House
) -> None:
    opened.allowed.append("status of 400")
    page, _ = tail(opened, house)
    page.get_by_label("Kind of search").select_option("where")
    page.get_by_label("Search", exact=True).fill("status >=")
    page.get_by_label("Search", exact=True).press("Enter")
    refused = page.get_by_role("alert")
    expect(refused).to_be_visible()
    expect(refused).to_contain_text(re.compile("where|expression", re.IGNORECASE))
    page.get_by_label("Search", exact=True).fill("status >= 500")
    page.get_by_label("Search", exact=True).press("Enter")
    expect(refused).to_have_count(0)


def test_a_level_leaves_out_what_is_less_severe(opened: Opener, house: House) -> None:
    api = house.runs("api")
    page, pane = tail(opened, house, f"c={api}")
    page.get_by_label("Level").select_option("warning")
    page.wait_for_timeout(700)
    house.say(api, '{"level":"info","msg":"calm"}', '{"level":"warn","msg":"careful"}')
    house.say(api, '{"level":"error","msg":"boom"}', "without a level")
    expect(pane).to_contain_text("careful")
    expect(pane).to_contain_text("boom")
    expect(pane).not_to_contain_text("calm")
    expect(pane).not_to_contain_text("without")


def test_dropped_lines_are_shown_with_the_stage_that_dropped_them(
    opened: Opener, house: House
) -> None:
    api = house.runs("api")
    page, pane = tail(opened, house, f"c={api}")
    page.get_by_role("button", name="Dropped").click()
    page.wait_for_timeout(700)
    house.say(api, '{"path":"/health","msg":"up"}', '{"path":"/","msg":"served"}', "more")
    expect(pane).to_contain_text("drop: filtered")
    expect(pane).to_contain_text("up")


SEEN = """one => {
  const box = one.getBoundingClientRect();
  return [...one.querySelectorAll("[role=row]")]
    .map((row) => [row.getBoundingClientRect(), row.innerText])
    .filter(([{ top, bottom }]) => top >= box.top && bottom <= box.bottom)
    .map(([{ top }, text]) => `${Math.round(top)} ${text}`);
}"""
"""Of a pane, the rows that are not cut, with their places."""


def test_a_pause_keeps_the_place_and_counts_what_waits(opened: Opener, house: House) -> None:
    api = house.runs("api")
    page, pane = tail(opened, house, f"c={api}")
    house.say(api, *[f"line {number}" for number in range(200)])
    expect(pane).to_contain_text("line 198")
    page.locator(".pane-scroll").focus()
    page.keyboard.press("Space")
    expect(page.get_by_text("Paused")).to_be_visible()
    before = pane.evaluate(SEEN)
    assert before
    house.say(api, *[f"later {number}" for number in range(50)])
    expect(page.get_by_role("button", name=re.compile(r"\d+ new lines"))).to_be_visible()
    assert pane.evaluate(SEEN) == before
    page.keyboard.press("Space")
    expect(pane).to_contain_text("later 48")


def test_who_scrolls_back_stays_there_while_lines_come(opened: Opener, house: House) -> None:
    api = house.runs("api")
    page, pane = tail(opened, house, f"c={api}")
    house.say(api, *[f"line {number}" for number in range(180)])
    expect(pane).to_contain_text("line 178")
    pane.hover()
    page.mouse.wheel(0, -2000)
    expect(page.get_by_text("Reading: new lines wait below")).to_be_visible()
    page.wait_for_timeout(300)
    seen = pane.get_by_role("row").first.inner_text()
    for number in range(5):
        house.say(api, *[f"later {number}"] * 20)
        page.wait_for_timeout(100)
    assert pane.get_by_role("row").first.inner_text() == seen
    page.keyboard.press("End")
    expect(pane).to_contain_text("later 4")


def test_lines_of_a_joined_trace_are_folded_and_open(opened: Opener, house: House) -> None:
    api = house.runs("api")
    _, pane = tail(opened, house, f"c={api}")
    house.say(api, *TRACE, "after", stream=2)
    house.say(api, "and on", stream=2)
    folded = pane.get_by_role("row").filter(has_text="Traceback")
    expect(folded).to_have_count(1)
    expect(folded.get_by_role("button").first).to_be_visible()
    folded.get_by_role("button").first.click()
    expect(folded).to_contain_text("KeyError: 'ord-17'")


def test_colours_of_a_line_are_shown_and_nothing_else_is_obeyed(
    opened: Opener, house: House
) -> None:
    api = house.runs("api")
    _, pane = tail(opened, house, f"c={api}")
    house.say(api, "\x1b[31mred\x1b[0m and \x1b[2J\x1b]0;title\x07 plain \u202eevil\u202c", "end")
    line = pane.get_by_role("row").filter(has_text="plain")
    expect(line).to_be_visible()
    red, plain = (
        line.get_by_text(text, exact=False).last.evaluate("one => getComputedStyle(one).color")
        for text in ("red", "plain")
    )
    assert red != plain
    text = line.inner_text()
    assert "\x1b" not in text
    assert "\u202e" not in text, "an override would turn the rest of the row around"


def test_older_lines_come_from_the_engine(opened: Opener, house: House) -> None:
    api = house.runs("api")
    house.say(api, *[f"long ago {number}" for number in range(30)])
    house.agent.until(lambda: "long ago 28" in house.engine.docker("logs", api))
    page, pane = tail(opened, house, f"c={api}")
    house.say(api, "now", "and now")
    expect(pane).to_contain_text("now")
    page.get_by_role("button", name="Older lines").click()
    expect(pane).to_contain_text("long ago 29")
    expect(pane).to_contain_text("long ago 0")


def test_fields_of_json_can_be_shown_as_they_came(opened: Opener, house: House) -> None:
    api = house.runs("api")
    page, pane = tail(opened, house, f"c={api}")
    house.say(api, json.dumps({"level": "info", "msg": "served", "ms": 12}))
    line = pane.get_by_role("row").filter(has_text="served")
    expect(line).to_contain_text("ms=12")
    page.get_by_role("button", name="Fields").click()
    expect(line).to_contain_text('"msg":')


def test_the_address_says_the_whole_search(opened: Opener, house: House) -> None:
    api = house.runs("api")
    page, _ = tail(opened, house, f"c={api}")
    page.get_by_label("Search", exact=True).fill("boom")
    page.get_by_label("Search", exact=True).press("Enter")
    page.get_by_label("Level").select_option("error")
    page.wait_for_url(re.compile("level=error"))
    other = opened(house.agent, page.evaluate("location.hash"))
    expect(other.get_by_label("Search", exact=True)).to_have_value("boom")
    expect(other.get_by_label("Level")).to_have_value("error")
    expect(other.get_by_role("button", name=api)).to_be_visible()


def test_no_line_that_matches_says_of_how_many(opened: Opener, house: House) -> None:
    api = house.runs("api")
    page, _ = tail(opened, house, f"c={api}&q=never")
    for _ in range(4):
        house.say(api, *["something else"] * 10)
        time.sleep(0.3)
    expect(page.locator(".pane-empty")).to_contain_text(re.compile(r"No line matches, of \d+"))


def test_more_lines_than_a_viewer_gets_are_told_honestly(opened: Opener, started: Started) -> None:
    agent, crowd = started('[sinks.out]\ntype = "file"\npath = "/dev/null"\n', 5)
    crowd.all_say("hello")
    page = opened(agent, "#/logs")
    expect(page.get_by_text("● Live")).to_be_visible()
    crowd.talk([f"line {number}" for number in range(9)], 6000, 4)
    expect(page.locator(".logs-status")).to_contain_text(re.compile(r"[\d,]+ not shown"))
