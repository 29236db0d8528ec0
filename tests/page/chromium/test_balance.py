"""The ledger: what came is what became of it."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.page.chromium.conftest import Opener
from tests.page.chromium.house import House


def test_every_line_of_a_container_is_accounted_for(opened: Opener, house: House) -> None:
    api = house.runs("api")
    house.say(api, *['{"path":"/health"}'] * 10, *['{"level":"info","path":"/"}'] * 5, "end")
    page = opened(house.agent, f"#/balance?c={api}")
    line = page.locator(".ledger").filter(has_text=api).locator(".ledger-line")
    stored = line.filter(has_text="store")
    expect(stored).to_contain_text("10 filtered by drop")
    expect(stored).to_contain_text(re.compile(r"1[56] read"))
    expect(stored).to_contain_text("delivered")
    expect(stored).to_contain_text("✓")
    expect(line.filter(has_text="route errors")).to_contain_text("handed on")


def test_equations_of_nothing_are_left_out(opened: Opener, house: House) -> None:
    api, idle = house.runs("api"), house.runs("idle")
    house.say(api, "one", "two")
    page = opened(house.agent, f"#/balance?c={api}")
    lines = page.locator(".ledger").filter(has_text=api).locator(".ledger-line")
    expect(lines.filter(has_text="store")).to_have_count(1)
    for text in lines.all_inner_texts():
        assert not text.split("\n")[-1].startswith("0 "), text
    page.goto(page.url.partition("#")[0] + f"#/balance?c={idle}")
    account = page.locator(".ledger").filter(has_text=idle)
    expect(account).to_contain_text("nothing read")
    expect(account.locator(".ledger-line")).to_have_count(0)


def test_the_whole_balances_and_says_so_in_words(opened: Opener, house: House) -> None:
    api = house.runs("api")
    house.say(api, '{"level":"error","msg":"boom"}', "end")
    page = opened(house.agent, "#/balance")
    expect(page.get_by_text("✓ balanced").first).to_be_visible()
    expect(page.get_by_text("every entry is accounted for").first).to_be_visible()
    expect(page.get_by_role("region", name="All containers")).to_contain_text("read")


def test_an_equation_leads_to_the_lines_on_that_way(opened: Opener, house: House) -> None:
    api = house.runs("api")
    house.say(api, "one", "two")
    page = opened(house.agent, f"#/balance?c={api}")
    ledger = page.locator(".ledger").filter(has_text=api)
    ledger.get_by_role("link", name=re.compile("all → store")).click()
    page.wait_for_url(re.compile("#/logs"))
    assert f"c={api}" in page.url
    assert "sink=store" in page.url
