"""The flow: from containers by routes and stages to sinks, with what goes wrong on the way."""

from __future__ import annotations

import json
import re

from playwright.sync_api import expect

from tests.page.chromium.conftest import Opener
from tests.page.chromium.house import House

ERROR = json.dumps({"level": "error", "msg": "boom", "pad": "x" * 120})


def test_it_shows_each_route_with_its_stages_and_where_it_leads(
    opened: Opener, house: House
) -> None:
    api = house.runs("api")
    house.say(api, '{"level":"info","path":"/"}')
    page = opened(house.agent)
    route = page.get_by_role("region", name="Route all", exact=True)
    stages = route.get_by_role("list", name="Stages").get_by_role("listitem")
    expect(stages).to_have_count(4)
    for stage, name in zip(stages.all(), ("join", "parse", "level", "drop"), strict=True):
        expect(stage).to_contain_text(name)
    expect(route.get_by_role("link", name="store")).to_be_visible()
    expect(route.get_by_role("link", name="feeds errors")).to_be_visible()
    expect(page.get_by_role("region", name="Route errors", exact=True)).to_contain_text("keep")
    expect(page.get_by_role("region", name="Sink store", exact=True)).to_contain_text("lag")
    expect(page.get_by_role("main")).to_contain_text("shop")


def test_a_sink_that_is_down_says_so_in_words_and_since_when(opened: Opener, house: House) -> None:
    api = house.runs("api")
    house.say(api, ERROR)
    page = opened(house.agent)
    sink = page.get_by_role("region", name="Sink papertrail", exact=True)
    expect(sink).to_contain_text(re.compile(r"failing for \d+ (s|min)"))
    expect(sink).to_contain_text("refused the connection")
    problem = page.get_by_role("list", name="Problems").get_by_role("listitem")
    expect(problem).to_contain_text("papertrail")
    expect(page).to_have_title(re.compile("^!"))


def test_what_a_full_buffer_drops_is_told_with_its_reason_and_leads_to_such_lines(
    opened: Opener, house: House
) -> None:
    api = house.runs("api")
    page = opened(house.agent)
    sink = page.get_by_role("region", name="Sink papertrail", exact=True)
    for _ in range(8):
        house.say(api, *[ERROR] * 100)
    dropped = sink.get_by_role("link", name="drop_newest")
    expect(dropped).to_contain_text(re.compile(r"\d"))
    dropped.click()
    expect(page.get_by_role("group", name="Which lines").get_by_text("Dropped")).to_have_attribute(
        "aria-pressed", "true"
    )
    expect(page.get_by_text("● Live")).to_be_visible()
    house.say(api, *[ERROR] * 400)
    expect(page.locator(".pane")).to_contain_text("drop_newest")


def test_an_edge_leads_to_the_lines_that_take_it(opened: Opener, house: House) -> None:
    api, other = house.runs("api"), house.runs("web")
    page = opened(house.agent)
    route = page.get_by_role("region", name="Route errors", exact=True)
    route.get_by_role("link", name="papertrail").click()
    page.wait_for_url(re.compile(r"#/logs\?"))
    assert "route=errors" in page.url
    assert "sink=papertrail" in page.url
    expect(page.get_by_text("● Live")).to_be_visible()
    house.say(other, '{"level":"info","msg":"all is well"}')
    house.say(api, '{"level":"error","msg":"this one goes there"}')
    pane = page.locator(".pane")
    expect(pane).to_contain_text("this one goes there")
    expect(pane).not_to_contain_text("all is well")


def test_what_a_stage_filters_is_a_number_that_leads_to_such_lines(
    opened: Opener, house: House
) -> None:
    api = house.runs("api")
    page = opened(house.agent)
    house.say(api, *['{"path":"/health"}'] * 50)
    stage = (
        page.get_by_role("region", name="Route all", exact=True)
        .get_by_role("listitem")
        .filter(has_text="drop")
    )
    link = stage.get_by_role("link")
    expect(link).to_be_visible()
    link.click()
    expect(page.get_by_text("● Live")).to_be_visible()
    house.say(api, '{"path":"/health","n":"seventeen"}')
    expect(page.locator(".pane")).to_contain_text("drop: filtered")


def test_the_same_is_there_as_text_for_those_who_see_no_picture(
    opened: Opener, house: House
) -> None:
    page = opened(house.agent)
    expect(page.get_by_role("heading", name="Routes")).to_be_visible()
    drawn = page.locator("svg.edges")
    expect(drawn).to_have_attribute("aria-hidden", "true")
    assert page.locator("svg.edges path.wire").count() >= 4
