"""One line: where it is, why, and a link to it."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

from tests.page.chromium.conftest import Opener
from tests.page.chromium.house import House

BOOM = '{"level":"error","msg":"boom","status":502,"card":"4111"}'


def opened_line(
    opened: Opener, house: House, name: str, line: str, text: str
) -> tuple[Page, Locator]:
    """The panel of a line that the container says when it is looked at."""
    page = opened(house.agent, f"#/logs?c={name}")
    expect(page.get_by_text("● Live")).to_be_visible()
    house.say(name, line, "the next one")
    row = page.locator(".pane").get_by_role("row").filter(has_text=text)
    expect(row).to_be_visible()
    row.click()
    if not page.get_by_role("complementary", name="Line").count():
        page.keyboard.press("Enter")
    panel = page.get_by_role("complementary", name="Line")
    expect(panel).to_be_visible()
    return page, panel


def test_it_says_which_sinks_have_it_and_which_it_waits_for_and_why(
    opened: Opener, house: House
) -> None:
    api = house.runs("api")
    _, panel = opened_line(opened, house, api, BOOM, "boom")
    reach = panel.get_by_role("listitem")
    expect(reach.filter(has_text="all→store")).to_contain_text("done")
    waits = reach.filter(has_text="errors→papertrail")
    expect(waits).to_contain_text(re.compile("waits|done"))
    whole = "The whole way: all→errors→papertrail"
    expect(waits.get_by_role("link")).to_have_attribute("title", whole)
    expect(panel).to_contain_text("refused the connection")


def test_it_says_what_each_stage_does_with_it(opened: Opener, house: House) -> None:
    api = house.runs("api")
    _, panel = opened_line(opened, house, api, BOOM, "boom")
    way = panel.locator(".way").first
    for stage in ("join", "parse", "level", "drop"):
        expect(way).to_contain_text(stage)
    expect(panel.get_by_role("table", name="Fields", exact=True)).to_contain_text("502")


def test_a_line_that_was_dropped_says_by_which_stage(opened: Opener, house: House) -> None:
    api = house.runs("api")
    page = opened(house.agent, f"#/logs?c={api}&show=dropped")
    expect(page.get_by_text("● Live")).to_be_visible()
    house.say(api, '{"path":"/health","msg":"up"}', "more")
    row = page.locator(".pane").get_by_role("row").filter(has_text="up").first
    expect(row).to_be_visible()
    row.click()
    if not page.get_by_role("complementary", name="Line").count():
        page.keyboard.press("Enter")
    panel = page.get_by_role("complementary", name="Line")
    expect(panel.get_by_role("heading", name="Dropped")).to_be_visible()
    expect(panel).to_contain_text("filtered")


def test_a_link_leads_to_the_line_among_those_around_it(opened: Opener, house: House) -> None:
    api = house.runs("api")
    house.say(api, *[f"before {number}" for number in range(20)])
    page, panel = opened_line(opened, house, api, "the line that is meant", "that is meant")
    house.say(api, *[f"after {number}" for number in range(20)])
    panel.get_by_role("link", name="Lines around it").click()
    page.wait_for_url(re.compile(r"#/c/[0-9a-f]{64}/\d+\?t="))
    address = page.evaluate("location.hash")
    opened.allowed.append("status of 503")  # one explanation at a time: it is asked again
    other = opened(house.agent, address)
    pane = other.locator(".pane")
    for text in ("before 19", "the line that is meant", "after 0"):
        expect(pane).to_contain_text(text)
    again = other.get_by_role("complementary", name="Line")
    expect(again).to_contain_text("that is meant")
    expect(again.locator(".way").first).to_contain_text("parse")


def test_a_field_becomes_a_filter(opened: Opener, house: House) -> None:
    api = house.runs("api")
    page, panel = opened_line(opened, house, api, BOOM, "boom")
    panel.get_by_role("button", name="Lines with this status").click()
    page.wait_for_url(re.compile("status"))
    expect(page.get_by_label("Kind of search")).to_have_value("where")
    page.wait_for_timeout(700)
    house.say(api, '{"status":200,"msg":"fine"}', '{"status":502,"msg":"once more"}', "end")
    expect(page.locator(".pane")).to_contain_text("once more")
    expect(page.locator(".pane")).not_to_contain_text("fine")


def test_escape_closes_it_and_leads_back_to_the_lines(opened: Opener, house: House) -> None:
    api = house.runs("api")
    page, panel = opened_line(opened, house, api, BOOM, "boom")
    page.keyboard.press("Escape")
    expect(panel).to_have_count(0)
    expect(page.locator(".pane-scroll")).to_be_focused()
