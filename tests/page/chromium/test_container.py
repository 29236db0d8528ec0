"""One container: what it is, its last hour, what happened to it, and which routes take it."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.page.chromium.conftest import Opener
from tests.page.chromium.house import House

GREEDY = 'sleep 1; x=$(head -c 90000000 /dev/zero | tr "\\0" x); echo "$x" | wc -c'


def test_it_has_facts_and_says_which_routes_take_it_and_why_others_do_not(
    opened: Opener, house: House
) -> None:
    noise = house.runs("web", project="noise", labels={"mark": "<b>"})
    page = opened(house.agent, f"#/c/{noise}")
    expect(page.get_by_role("heading", name=noise)).to_be_visible()
    facts = page.get_by_role("region", name="Facts")
    expect(facts).to_contain_text("busybox:local")
    expect(facts).to_contain_text("noise, service web")
    why = page.get_by_role("region", name="Which routes take it, and why")
    expect(why.get_by_role("listitem").filter(has_text="all").first).to_contain_text(
        "does not take it"
    )
    expect(why).to_contain_text("startswith")


def test_its_charts_are_there_as_a_table_too(opened: Opener, house: House) -> None:
    api = house.runs("api", "--memory", "64m")
    page = opened(house.agent, f"#/c/{api}")
    charts = page.get_by_role("region", name=re.compile("The last hour"))
    for title in ("Lines", "Lag", "CPU", "Memory"):
        expect(charts.get_by_text(title).first).to_be_visible()
    expect(charts.locator("canvas").first).to_be_visible()
    assert charts.get_by_role("table").count() or charts.locator("details").count()
    facts = page.get_by_role("region", name="Facts")
    expect(facts).to_contain_text(re.compile(r"of 64 MiB"))


def test_an_exit_and_a_restart_are_events_with_the_exit_code(opened: Opener, house: House) -> None:
    name = house.starts("shop-cron-901", "sleep 2; exit 3", "--restart", "on-failure:2")
    house.engine.docker("wait", name)
    page = opened(house.agent, f"#/c/{name}")
    events = page.get_by_role("region", name="Events of the last hour")
    expect(events).to_contain_text("exited with code 3")
    expect(events.get_by_role("link").first).to_be_visible()


def test_one_out_of_memory_says_so_in_words(opened: Opener, house: House) -> None:
    name = house.starts("shop-importer-902", GREEDY, "--memory", "24m", "--memory-swap", "24m")
    house.engine.docker("wait", name)
    page = opened(house.agent, f"#/c/{name}")
    events = page.get_by_role("region", name="Events of the last hour")
    expect(events).to_contain_text("out of memory")
    expect(page.get_by_role("main")).to_contain_text(re.compile("out of memory", re.IGNORECASE))


def test_its_links_lead_to_its_lines_and_to_its_balance(opened: Opener, house: House) -> None:
    api = house.runs("api")
    page = opened(house.agent, f"#/c/{api}")
    more = page.get_by_role("navigation", name="More of this container")
    more.get_by_role("link", name="Balance").click()
    page.wait_for_url(re.compile(rf"#/balance\?c={api}"))
    page.go_back()
    more.get_by_role("link", name="Lines", exact=True).click()
    page.wait_for_url(re.compile(rf"#/logs\?c={api}"))


def test_one_that_does_not_exist_is_not_found_in_words(opened: Opener, house: House) -> None:
    opened.allowed.append("status of 404")
    page = opened(house.agent, "#/c/no-such-container")
    expect(page.locator(".empty")).to_contain_text("no-such-container")
    expect(page.get_by_role("link", name=re.compile("Search"))).to_be_visible()
