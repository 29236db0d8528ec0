"""Where there is nothing to see, the page says why."""

from __future__ import annotations

import re
import signal
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import expect

from pipeline.testing.agent_process import AgentProcess
from tests.page.chromium import driver
from tests.page.chromium.conftest import Opener, Started

OUT = '[sinks.out]\ntype = "file"\npath = "/dev/null"\n'
AWAY = r"net::ERR|Failed to load resource|status of 503"
"""What the console says of an agent that does not answer."""


@pytest.mark.parametrize("view", ["flow", "containers"])
def test_without_containers_it_says_so(opened: Opener, started: Started, view: str) -> None:
    agent, _ = started(OUT)
    page = opened(agent, f"#/{view}")
    expect(page.locator(".empty").filter(has_text=re.compile("container")).first).to_be_visible()


def test_an_engine_that_does_not_answer_is_the_reason(opened: Opener, tmp_path: Path) -> None:
    with AgentProcess(tmp_path / "agent", f"unix://{tmp_path}/no.sock", OUT) as agent:
        page = opened(agent)
        problem = page.get_by_role("list", name="Problems")
        expect(problem).to_contain_text("Docker Engine")
        expect(problem).to_contain_text("no.sock")
        page.evaluate("location.hash = '#/containers'")
        expect(page.locator(".empty")).to_contain_text("no.sock")


def test_an_agent_that_is_gone_is_away_for_so_many_seconds_and_comes_back(
    opened: Opener, started: Started
) -> None:
    agent, crowd = started(OUT)
    crowd.all_say("hello")
    opened.allowed.append(AWAY)
    page = opened(agent)
    expect(page.get_by_role("region", name="Sink out")).to_be_visible()
    address = agent.address
    agent.stop(signal.SIGKILL)
    expect(page.get_by_text(re.compile(r"Away for [1-9]\d* s"))).to_be_visible()
    expect(page.get_by_role("region", name="Sink out")).to_be_visible()
    text = agent.config.read_text().replace('"127.0.0.1:0"', f'"{address}"', 1)
    agent.config.write_text(text)
    agent.start()
    expect(page.get_by_text(re.compile("Away for"))).to_have_count(0)


def test_without_stats_there_is_a_word_about_it(opened: Opener, started: Started) -> None:
    agent, crowd = started(f'[stats]\nevery = "off"\n{OUT}')
    crowd.all_say("hello")
    page = opened(agent, "#/containers")
    expect(page.get_by_text(re.compile("[Ss]tats are off"))).to_be_visible()


def test_one_viewer_too_many_is_told_so_and_gets_in_when_another_leaves(
    opened: Opener, started: Started
) -> None:
    agent, crowd = started(OUT)
    crowd.all_say("hello")
    opened.allowed.append(AWAY)
    with ExitStack() as first:
        for _ in range(5):
            it = first.enter_context(driver.tab(opened._chromium, agent.address))
            it.page.goto(driver.opening(agent.address, agent.token))
            it.page.wait_for_url("**/#/flow")
            expect(it.page.get_by_role("heading", name="Flow")).to_be_visible()
            it.page.evaluate("location.hash = '#/logs'")
            expect(it.page.get_by_text("● Live")).to_be_visible()
        page = opened(agent, "#/logs")
        refused = page.get_by_role("alert")
        expect(refused).to_contain_text("watching already")
    expect(page.get_by_text("● Live")).to_be_visible()


def test_lines_that_may_not_be_seen_are_refused_and_figures_are_not(
    opened: Opener, started: Started
) -> None:
    agent, crowd = started(OUT, http='tap = "off"')
    crowd.all_say("hello")
    opened.allowed.append("status of 403")
    page = opened(agent, "#/logs")
    expect(page.locator(".pane-empty")).to_contain_text("http.tap")
    page.evaluate("location.hash = '#/flow'")
    expect(page.get_by_role("region", name="Sink out")).to_be_visible()


def test_a_view_that_does_not_exist_leads_to_the_first(opened: Opener, started: Started) -> None:
    agent, _ = started(OUT)
    page = opened(agent, "#/nowhere")
    expect(page.get_by_text("There is no view")).to_be_visible()
    page.get_by_role("main").get_by_role("link").click()
    page.wait_for_url(re.compile("#/flow"))
