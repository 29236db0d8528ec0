"""All of it is reached by keys."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.page.chromium.conftest import Opener, Started

OUT = '[sinks.out]\ntype = "file"\npath = "/dev/null"\n'


@pytest.mark.parametrize(
    ("keys", "view"),
    [
        ("f", "flow"),
        ("l", "logs"),
        ("c", "containers"),
        ("b", "balance"),
        ("t", "try"),
        ("h", "fleet"),
    ],
)
def test_g_and_a_letter_go_to_a_view(
    opened: Opener, started: Started, keys: str, view: str
) -> None:
    agent, _ = started(OUT)
    page = opened(agent, "#/containers" if view == "flow" else "#/flow")
    expect(page.get_by_role("navigation")).to_be_visible()
    page.keyboard.press("g")
    page.keyboard.press(keys)
    page.wait_for_url(re.compile(f"#/{view}"))
    expect(page.locator("nav [aria-current=page]")).to_have_text(re.compile(view, re.IGNORECASE))


def test_the_palette_finds_a_container_by_a_few_of_its_letters(
    opened: Opener, started: Started
) -> None:
    agent, crowd = started(OUT, 300)
    crowd.all_say("hello")
    agent.until(lambda: '"idle-0299"' in agent.get("/api/containers")[1])
    page = opened(agent)
    expect(page.get_by_role("navigation")).to_be_visible()
    page.keyboard.press("Control+k")
    found = page.get_by_role("option")
    expect(found.first).to_be_visible()
    page.keyboard.type("idl217")
    expect(found.first).to_contain_text("idle-0217")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("#/c/idle-0217"))
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("Control+k")
    page.keyboard.type("no such thing at all")
    expect(page.get_by_role("dialog")).to_contain_text("Nothing")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_help_lists_the_keys_and_closes(opened: Opener, started: Started) -> None:
    agent, _ = started(OUT)
    page = opened(agent)
    expect(page.get_by_role("navigation")).to_be_visible()
    page.keyboard.press("?")
    help_ = page.get_by_role("dialog")
    expect(help_).to_contain_text("Ctrl")
    page.keyboard.press("Escape")
    expect(help_).to_have_count(0)


def test_a_slash_goes_to_the_search_of_the_view_and_typing_is_no_command(
    opened: Opener, started: Started
) -> None:
    agent, _ = started(OUT)
    page = opened(agent, "#/containers")
    expect(page.get_by_role("searchbox")).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("gfgl?")
    expect(page.get_by_role("searchbox")).to_have_value("gfgl?")
    assert "#/containers" in page.url
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_the_tab_key_reaches_the_view_and_shows_where_it_is(
    opened: Opener, started: Started
) -> None:
    agent, _ = started(OUT)
    page = opened(agent)
    expect(page.get_by_role("region", name="Sink out")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_text("To the view")).to_be_focused()
    reached: set[str] = set()
    unseen = []
    for _ in range(40):
        page.keyboard.press("Tab")
        focused = page.evaluate(
            """(() => { const one = document.activeElement, style = getComputedStyle(one);
            return [one.textContent.trim().slice(0, 30), style.outlineStyle !== "none" ||
              style.boxShadow !== "none", one === document.body]; })()"""
        )
        reached.add(focused[0])
        if not focused[1] and not focused[2]:
            unseen.append(focused[0])
    assert any("Logs" in text for text in reached)
    assert any("out" in text for text in reached), reached
    assert not unseen, "the focus cannot be seen there"
