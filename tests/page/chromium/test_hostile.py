"""Names, labels and lines of containers that mean harm are text, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from pipeline.testing.agent_process import AgentProcess
from tests.page.chromium.conftest import Opener, agent_of
from tests.page.chromium.crowd import Crowd

OUT = """
[sinks.out]
type = "file"
path = "/dev/null"
[routes.all]
stages = [{ parse = "auto" }, { level = "auto" }]
to = ["out"]
"""
SCRIPT = "<script>window.harmed = 1</script><img src=x onerror='window.harmed = 1'>"
LINES = (
    SCRIPT,
    '"><svg/onload=window.harmed=1>',
    '{"level":"<b>error</b>","msg":"' + SCRIPT.replace('"', "'") + '","k<i>":"v<u>"}',
    '{"__proto__":{"harmed":1},"constructor":{"prototype":{"harmed":1}},"msg":"proto"}',
    "\x1b]8;;javascript:window.harmed=1\x07click me\x1b]8;;\x07",
    "\x1b[31mred\x1b[999;999H\x1b[2J\x1bc\x1b]52;c;aGFybQ==\x07",
    "\u202eesrever\u202c \u2066hidden\u2069 zero\u200bwidth \ufeff",
    "\x00\x01\x02\x7f\x9b31m and a lone \ud800".encode("utf-8", "replace").decode(),
    "a" * (1 << 20),
    "{" * 2000,
    "é" * 5000 + "\u0301" * 300 + "👩‍👩‍👧‍👦" * 50,
    "",
    "   ",
)
HARMED = "window.harmed === 1 || ({}).harmed === 1"


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[AgentProcess, Crowd]]:
    """An agent with containers whose names, labels, hosts and projects are markup."""
    folder: Path = tmp_path_factory.mktemp("attacked")
    with agent_of(folder / "agent", OUT, 1) as (agent, plain):
        port = plain._address[1]
        marks = {"com.docker.compose.service": SCRIPT, "x": "\u202e" + "y" * 3000}
        bad = Crowd(port, 3, prefix=f"{SCRIPT}\u202e", host=SCRIPT, project=SCRIPT, labels=marks)
        with bad:
            bad.all_say("hello")
            plain.all_say("hello")
            yield agent, bad


@pytest.mark.parametrize("view", ["flow", "containers", "balance", "fleet", "try"])
def test_in_each_view_they_are_text(
    opened: Opener, attacked: tuple[AgentProcess, Crowd], view: str
) -> None:
    agent, crowd = attacked
    page = opened(agent, f"#/{view}")
    opened.allowed.append("status of 40[04]")  # of what is known by its line alone
    expect(page.get_by_role("navigation")).to_be_visible()
    page.wait_for_timeout(2500)
    crowd.all_say("again")
    page.wait_for_timeout(2500)
    assert page.evaluate(HARMED) is False
    assert page.locator("#page script, #page img, #page iframe").count() == 0
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")


def test_lines_are_text_whatever_is_in_them(
    opened: Opener, attacked: tuple[AgentProcess, Crowd]
) -> None:
    agent, crowd = attacked
    page = opened(agent, "#/logs")
    expect(page.get_by_text("● Live")).to_be_visible()
    for line in LINES:
        crowd.say([(0, line), (1, line)])
    crowd.say([(0, "the last one")])
    pane = page.locator(".pane")
    expect(pane).to_contain_text("the last one")
    page.get_by_role("button", name="Wrap").click()
    page.get_by_role("button", name="Fields").click()
    page.locator(".pane-scroll").focus()
    for _ in range(len(LINES)):
        page.keyboard.press("k")
    page.keyboard.press("Home")
    expect(pane).to_contain_text("<script>window.harmed = 1</script>")
    assert page.evaluate(HARMED) is False
    assert page.locator("#page script, #page img, #page iframe, .pane a").count() == 0
    text = pane.inner_text()
    assert not {"\x1b", "\u202e", "\u2066", "\x00"} & set(text)
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")


def test_a_line_that_is_opened_is_text_too(
    opened: Opener, attacked: tuple[AgentProcess, Crowd]
) -> None:
    agent, crowd = attacked
    page = opened(agent, "#/logs")
    expect(page.get_by_text("● Live")).to_be_visible()
    opened.allowed.append("status of 40[04]|status of 503")  # the Engine is not there to be asked
    for line in LINES[:4]:
        crowd.say([(0, line)])
        pane = page.locator(".pane")
        expect(pane.get_by_role("row").last).to_be_visible()
        page.locator(".pane-scroll").focus()
        page.keyboard.press("End")
        page.keyboard.press("k")
        page.keyboard.press("Enter")
        page.wait_for_timeout(700)
        page.keyboard.press("Escape")
    assert page.evaluate(HARMED) is False
    assert page.locator("#page script, #page img, #page iframe").count() == 0


@pytest.mark.parametrize(
    "address",
    [
        f"#/c/{SCRIPT}",
        "#/c/%3Cimg%20src=x%20onerror=window.harmed=1%3E/7",
        "#/logs?c=%3Cscript%3Ewindow.harmed=1%3C/script%3E&q=%3Cimg%20src=x%3E",
        "#/try/%3Csvg%20onload=window.harmed=1%3E",
        "#/containers?q=%3Cimg%20src=x%20onerror=window.harmed=1%3E&sort=__proto__",
        "#/flow?at=%22%3E%3Cimg%20src=x%3E",
        "#/__proto__",
        "#/constructor/x",
        "#/%E0%A4%A",
    ],
)
def test_an_address_that_somebody_made_up_is_text(
    opened: Opener, attacked: tuple[AgentProcess, Crowd], address: str
) -> None:
    opened.allowed.append("status of 40[04]")
    page = opened(attacked[0], address)
    expect(page.get_by_role("main")).to_be_visible()
    page.wait_for_timeout(500)
    assert page.evaluate(HARMED) is False
    assert page.locator("#page script, #page img, #page iframe").count() == 0
