"""The table of containers: a thousand as well as one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from pipeline.testing.agent_process import AgentProcess
from tests.page.chromium.conftest import Opener, agent_of
from tests.page.chromium.crowd import Crowd
from tests.page.chromium.driver import PHONE
from tests.page.chromium.house import House

COUNT = 1000
MOST_ROWS = 200
"""Rows in the document, however many containers there are."""
OUT = '[sinks.out]\ntype = "file"\npath = "/dev/null"\n'


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[AgentProcess, Crowd]]:
    """An agent that knows a thousand containers, of which each has said a line."""
    folder: Path = tmp_path_factory.mktemp("many")
    with agent_of(folder / "agent", OUT, COUNT) as (agent, crowd):
        crowd.all_say("hello")
        agent.until(lambda: agent.get("/api/containers")[1].count('"name"') == COUNT)
        yield agent, crowd


def names(page: Page) -> list[str]:
    """Of the rows that are in the document."""
    found: list[str] = page.locator("tbody tr:not(.space) a[href^='#/c/']").all_inner_texts()
    return found


def counted(page: Page, text: str) -> None:
    """Waits until so many are told of all."""
    expect(page.get_by_text(re.compile(rf"^{text} of 1,000"))).to_be_visible()


def test_of_a_thousand_only_those_that_are_seen_are_in_the_document(
    opened: Opener, many: tuple[AgentProcess, Crowd]
) -> None:
    page = opened(many[0], "#/containers")
    counted(page, "1,000")
    assert 10 < page.locator("tbody tr").count() <= MOST_ROWS
    page.get_by_role("region", name="Table of containers").evaluate("one => one.scrollTop = 1e6")
    page.get_by_role("button", name="Name").click()
    expect(page.locator("tbody")).to_contain_text("idle-0999")
    assert page.locator("tbody tr").count() <= MOST_ROWS


def test_a_search_leaves_those_that_match_and_is_in_the_address(
    opened: Opener, many: tuple[AgentProcess, Crowd]
) -> None:
    page = opened(many[0], "#/containers")
    counted(page, "1,000")
    page.get_by_role("searchbox").fill("idle-07")
    counted(page, "100")
    assert all(name.startswith("idle-07") for name in names(page))
    assert "q=idle-07" in page.url
    page.get_by_role("searchbox").fill("no such container")
    expect(page.get_by_text(re.compile("None of 1,000 containers"))).to_be_visible()


def test_a_heading_sorts_and_turns_around(opened: Opener, many: tuple[AgentProcess, Crowd]) -> None:
    page = opened(many[0], "#/containers")
    counted(page, "1,000")
    name = page.get_by_role("columnheader", name="Name")
    name.get_by_role("button").click()
    expect(name).to_have_attribute("aria-sort", "ascending")
    first = names(page)
    assert first[:2] == ["idle-0000", "idle-0001"]
    name.get_by_role("button").click()
    expect(name).to_have_attribute("aria-sort", "descending")
    expect(page.locator("tbody a[href^='#/c/']").first).to_have_text("idle-0999")


def test_keys_choose_a_row_and_open_it(opened: Opener, many: tuple[AgentProcess, Crowd]) -> None:
    page = opened(many[0], "#/containers?sort=name&dir=asc")
    counted(page, "1,000")
    for key in ("j", "j", "j", "k"):
        page.keyboard.press(key)
    chosen = page.locator("tbody tr[aria-current=true]")
    expect(chosen).to_have_count(1)
    expect(chosen).to_contain_text("idle-0001")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("#/c/idle-0001"))


def test_what_lines_it_says_changes_where_it_stands(
    opened: Opener, many: tuple[AgentProcess, Crowd]
) -> None:
    agent, crowd = many
    page = opened(agent, "#/containers")
    counted(page, "1,000")
    first = page.locator("tbody a[href^='#/c/']").first
    for _ in range(100):
        crowd.say([(512, "busy")] * 50)
        page.wait_for_timeout(300)
        if first.inner_text() == "idle-0512":
            return
    pytest.fail(f"{first.inner_text()} is first, and not the one that speaks")


def test_a_real_container_has_state_health_and_figures(opened: Opener, house: House) -> None:
    check = ("--health-cmd", "exit 1", "--health-interval", "1s", "--health-retries", "1")
    sick, well = house.runs("mailer", *check), house.runs("api", "--memory", "64m")
    page = opened(house.agent, f"#/containers?q={sick}")  # others may fill the screen
    row = page.get_by_role("row").filter(has_text=sick)
    expect(row).to_contain_text("unhealthy")
    page.get_by_role("searchbox").fill(well)
    other = page.get_by_role("row").filter(has_text=well)
    expect(other).to_contain_text("running")
    expect(other).to_contain_text(re.compile(r"[\d.]+ [KM]iB"))
    page.get_by_role("button", name="With something wrong").click()
    expect(other).to_have_count(0)
    page.get_by_role("searchbox").fill(sick)
    expect(row).to_be_visible()


def test_on_a_phone_names_have_the_most_room(opened: Opener, house: House) -> None:
    well = house.runs("api")
    page = opened(house.agent, f"#/containers?q={well}", size=PHONE)
    row = page.get_by_role("row").filter(has_text=well)
    expect(row.get_by_role("cell").nth(1)).to_contain_text(re.compile(r"running\s*$"))
    width = "(one) => one.getBoundingClientRect().width"
    name, state = (row.get_by_role("cell").nth(place).evaluate(width) for place in (0, 1))
    assert name > 150 > 90 > state


def test_one_that_is_removed_is_gone_from_the_table(opened: Opener, house: House) -> None:
    # Its line may be asked for in the moment in which it goes.
    opened.allowed.append(r"status of 404 .*/api/history\?container=")
    name = house.runs("api")
    page = opened(house.agent, f"#/containers?q={name}")
    row = page.get_by_role("row").filter(has_text=name)
    expect(row).to_be_visible()
    house.remove(name)
    expect(row).to_have_count(0)
