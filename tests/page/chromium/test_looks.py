"""Each view in both themes and at a phone's width: nothing sticks out, and nobody is shut out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import axe_playwright_python
import pytest
from playwright.sync_api import Page, expect

from tests.page.chromium.conftest import Opener
from tests.page.chromium.driver import PHONE, WIDE
from tests.page.chromium.house import House

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
LOUD = ("serious", "critical")
VIEWS = ("flow", "logs", "containers", "c/{name}", "try/errors", "balance", "line")
SETTLING = 2_500
"""Milliseconds until a view has its figures."""


# What somebody would use, sticks out, and is in nothing that scrolls there.
OUTSIDE = """() => {
  const scrolls = (one) => one && one !== document.body &&
    (/auto|scroll/.test(getComputedStyle(one).overflowX) || scrolls(one.parentElement));
  return [...document.querySelectorAll("#page button, #page input, #page select, #page h2")]
    .filter((one) => one.checkVisibility() && !one.closest(".hidden"))
    .filter((one) => one.getBoundingClientRect().right > innerWidth + 0.5)
    .filter((one) => !scrolls(one.parentElement))
    .map((one) => one.outerHTML.slice(0, 100));
}"""


def shown(opened: Opener, house: House, view: str, **look: Any) -> Page:
    """A view with something in it."""
    name = house.runs("api")
    page = opened(
        house.agent, "#/logs" if view == "line" else f"#/{view.format(name=name)}", **look
    )
    expect(page.get_by_role("heading", level=2).first).to_be_attached()
    if view in ("logs", "line"):
        expect(page.get_by_text("● Live")).to_be_visible()
    house.say(name, '{"level":"error","msg":"boom","status":502}', "\x1b[31mred\x1b[0m plain")
    house.say(name, '{"level":"warn","msg":"careful","ms":12.5}', "and the last")
    if view == "line":
        row = page.locator(".pane").get_by_role("row").filter(has_text="boom").first
        expect(row).to_be_visible()
        row.click()
        page.keyboard.press("Enter")
    page.wait_for_timeout(SETTLING)
    return page


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("view", VIEWS)
def test_an_accessibility_checker_finds_nothing_serious(
    opened: Opener, house: House, view: str, scheme: str
) -> None:
    page = shown(opened, house, view, scheme=scheme)
    if view in ("logs", "line"):
        page.get_by_role("button", name="Pause").click()
    page.evaluate(AXE)
    found = page.evaluate("axe.run().then((result) => result.violations)")
    serious = [
        f"{one['id']}: {one['help']}: {[node['html'][:160] for node in one['nodes'][:3]]}"
        for one in found
        if one["impact"] in LOUD
    ]
    assert not serious, "\n".join(serious)


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("view", VIEWS)
def test_nothing_sticks_out_of_the_window(
    opened: Opener, house: House, view: str, size: tuple[int, int]
) -> None:
    page = shown(opened, house, view, size=size)
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
    outside = page.evaluate(OUTSIDE)
    assert not outside


def test_the_system_s_theme_is_the_page_s(opened: Opener, house: House) -> None:
    """Light is light and dark is dark, and changes while it is open."""
    page = opened(house.agent)
    expect(page.get_by_role("navigation")).to_be_visible()
    colour = "getComputedStyle(document.documentElement).backgroundColor.match(/\\d+/g).map(Number)"
    assert sum(page.evaluate(colour)[:3]) < 3 * 60
    page.emulate_media(color_scheme="light")
    assert sum(page.evaluate(colour)[:3]) > 3 * 200


def test_whoever_wants_less_motion_gets_none(opened: Opener, house: House) -> None:
    page = opened.blank(house.agent, reduced_motion="reduce")
    page.goto(f"http://{house.agent.address}/#token={house.agent.token}")
    expect(page.get_by_role("navigation")).to_be_visible()
    page.wait_for_timeout(SETTLING)
    moving = page.evaluate(
        "document.getAnimations().filter((one) => one.playState === 'running').length"
    )
    assert moving == 0


def test_no_region_that_is_read_aloud_changes_while_lines_stream(
    opened: Opener, house: House
) -> None:
    api = house.runs("api")
    page = opened(house.agent, f"#/logs?c={api}")
    expect(page.get_by_text("● Live")).to_be_visible()
    page.evaluate(
        """() => { window.told = 0;
          const seen = new MutationObserver((list) => { window.told += list.length });
          const live = "[aria-live], [role=status], [role=alert], [role=log]";
          for (const one of document.querySelectorAll(live))
            seen.observe(one, { subtree: true, childList: true, characterData: true }); }"""
    )
    for number in range(20):
        house.say(api, *[f"line {number}"] * 5)
        page.wait_for_timeout(100)
    expect(page.locator(".pane")).to_contain_text("line 18")
    assert page.evaluate("window.told") == 0
