"""A route's stages, edited and run on lines, without anything being saved."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.page.chromium.conftest import Opener
from tests.page.chromium.house import House

LINE = '{"level":"error","msg":"boom","status":502,"password":"secret"}'
STAGES = """stages = [
  {{ parse = "json" }},
  {{ {stage} }},
]
"""


def trying(opened: Opener, house: House) -> Page:
    """The route `all`, on a line of one's own."""
    house.runs("api")
    page = opened(house.agent, "#/try/all")
    editor = page.get_by_role("textbox", name="Stages of all, in TOML")
    expect(editor).to_have_value(re.compile("parse"))
    page.get_by_role("button", name="My own").click()
    page.get_by_role("textbox", name="Lines to try").fill(LINE)
    return page


def edit(page: Page, stage: str) -> None:
    page.get_by_role("textbox", name="Stages of all, in TOML").fill(STAGES.format(stage=stage))


def test_it_begins_with_the_stages_that_run(opened: Opener, house: House) -> None:
    page = trying(opened, house)
    expect(page.locator(".outcome").first).to_contain_text("passes")
    editor = page.get_by_role("textbox", name="Stages of all, in TOML")
    for stage in ("join", "parse", "level", "drop"):
        expect(editor).to_have_value(re.compile(stage))


def test_what_is_typed_shows_its_effect_and_changes_nothing(opened: Opener, house: House) -> None:
    before = house.agent.config.read_text()
    page = trying(opened, house)
    edit(page, 'remove = ["password"]')
    outcome = page.locator(".outcome").first
    expect(outcome).to_contain_text("passes")
    expect(outcome.locator(".change.removed")).to_contain_text("password")
    edit(page, "drop = \"level == 'error'\"")
    expect(outcome).to_contain_text("dropped by drop")
    assert house.agent.config.read_text() == before


def test_an_error_stands_at_its_line_and_leads_there(opened: Opener, house: House) -> None:
    page = trying(opened, house)
    edit(page, 'keep = "level =="')
    marks = page.locator("#editor-marks li")
    expect(marks.first).to_contain_text("line 3")
    expect(marks.first).to_contain_text("stages[1].keep")
    expect(page.locator(".try-said")).to_contain_text("Not run")
    marks.first.get_by_role("button").click()
    editor = page.get_by_role("textbox", name="Stages of all, in TOML")
    expect(editor).to_be_focused()
    chosen = editor.evaluate("one => one.value.slice(one.selectionStart, one.selectionEnd)")
    assert "level ==" in chosen


def test_a_long_stage_wraps_and_the_error_below_it_stays_at_its_line(
    opened: Opener, house: House
) -> None:
    page = trying(opened, house)
    long = 'keep = "' + " or ".join(f"status == {number}" for number in range(60)) + '"'
    stages = f"stages = [\n  {{ {long} }},\n  {{ keep = 'level ==' }},\n]\n"
    editor = page.get_by_role("textbox", name="Stages of all, in TOML")
    editor.fill(stages)
    assert editor.evaluate("one => one.scrollWidth - one.clientWidth") <= 1
    wrong = page.locator(".editor-copy .marked")
    expect(wrong).to_have_count(1)
    expect(wrong.locator("b")).to_have_text("3")
    height = page.locator(".editor-copy ol").evaluate("one => one.offsetHeight")
    assert height > 8 * 20  # the second line takes several
    inside = editor.evaluate("""one => {
      const style = getComputedStyle(one);
      one.style.height = "0";
      const all = one.scrollHeight - parseFloat(style.paddingTop) - parseFloat(style.paddingBottom);
      one.style.height = "";
      return all;
    }""")
    assert abs(inside - height) <= 20  # the empty last line has no number of its own in some fonts


def test_what_could_do_harm_is_refused(opened: Opener, house: House) -> None:
    page = trying(opened, house)
    edit(page, 'python = { file = "/etc/passwd", function = "f" }')
    expect(page.locator("#editor-marks li").first).to_contain_text("python")
    edit(page, 'set = { x = "${HOME}" }')
    expect(page.locator("#editor-marks li").first).to_be_visible()
    expect(page.locator(".outcome").first).not_to_contain_text("/root")


def test_the_whole_route_is_copied_as_toml(opened: Opener, house: House) -> None:
    page = trying(opened, house)
    edit(page, 'remove = ["password"]')
    expect(page.locator(".outcome").first).to_contain_text("passes")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy the route's TOML").click()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert "[routes.all]" in copied
    assert 'remove = ["password"]' in copied


def test_the_lines_of_a_container_are_tried_as_they_come(opened: Opener, house: House) -> None:
    api = house.runs("api")
    page = opened(house.agent, f"#/try/all?c={api}")
    page.wait_for_timeout(1500)
    house.say(api, '{"msg":"a line that comes now"}', "another")
    outcome = page.locator(".outcome").filter(has_text="a line that comes now").first
    expect(outcome).to_contain_text("passes")


def test_another_route_has_its_own_stages(opened: Opener, house: House) -> None:
    page = trying(opened, house)
    page.get_by_label("Route").select_option("errors")
    page.wait_for_url(re.compile("#/try/errors"))
    editor = page.get_by_role("textbox", name="Stages of errors, in TOML")
    expect(editor).to_have_value(re.compile("keep"))


def test_a_route_that_another_feeds_says_what_goes_before(opened: Opener, house: House) -> None:
    api = house.runs("api")
    house.say(api, LINE)
    page = opened(house.agent, f"#/try/errors?c={api}")
    expect(page.get_by_text("Lines come to it through all.")).to_be_visible()
    expect(page.get_by_text("all ▸ parse").first).to_be_visible()
