"""What the page takes of a browser, and how soon it answers: one function for each figure.

Times are those of the page's own clock. Each run has a fresh profile, so that nothing is cached.
"""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from playwright.sync_api import Page

from pipeline.page.assets import FOLDER, load
from pipeline.testing.agent_process import AgentProcess
from tests.page.chromium.driver import Chromium, opening, tab

TRACED = 20.0
"""Seconds before a flood is watched in which each task's CPU time is noted."""

_FIRST = """
window.seen = {};
new MutationObserver(() => {
  if (!window.seen.figures && document.querySelector("[data-node^=sink]"))
    window.seen.figures = performance.now();
}).observe(document, { subtree: true, childList: true });
"""

_WATCH = """() => {
  const began = performance.now();
  const seen = window.watched = { longest: 0, frames: 0, slowest: 1e9, keys: [], began };
  new PerformanceObserver((list) => {
    for (const one of list.getEntries()) seen.longest = Math.max(seen.longest, one.duration);
  }).observe({ type: "longtask" });
  new PerformanceObserver((list) => {
    for (const one of list.getEntries()) if (one.name === "keydown") seen.keys.push(one.duration);
  }).observe({ type: "event", durationThreshold: 16 });
  let second = 0, since = performance.now();
  const frame = (now) => {
    seen.frames++;
    second++;
    if (now - since >= 1000) {
      seen.slowest = Math.min(seen.slowest, (second * 1000) / (now - since));
      second = 0;
      since = now;
    }
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}"""

# From the click on a heading, or the input of a text, to the frame after which it is drawn.
_TIMED = """async ([selector, text]) => {
  const one = document.querySelector(selector);
  const body = document.querySelector("tbody");
  const changed = new Promise((done) =>
    new MutationObserver((_, seen) => { seen.disconnect(); done(); })
      .observe(body, { subtree: true, childList: true, characterData: true, attributes: true }));
  await new Promise((done) => requestAnimationFrame(done));
  const began = performance.now();
  if (text === null) one.click();
  else {
    Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set.call(one, text);
    one.dispatchEvent(new Event("input", { bubbles: true }));
  }
  await changed;
  body.getBoundingClientRect();
  return performance.now() - began;
}"""


@dataclass(frozen=True)
class Flood:
    """Of a time in which lines came without end."""

    seconds: float
    rate: float
    """Lines a second that reached the page."""
    longest: float
    """Milliseconds of the longest task."""
    longest_cpu: float
    """The same of CPU time: what else the machine does makes no task longer."""
    over: int
    """Tasks of more than 100 ms of CPU time."""
    busy: float
    """Share of a core that the page's main thread takes."""
    frames: float
    """A second, on the average."""
    slowest: float
    """Frames of the second that had the fewest."""
    keys: Sequence[float]
    """Milliseconds from each key to the frame that answers it; those under 16 are left out."""
    pressed: int
    kept: int
    """Lines in the tab."""
    heap: Sequence[float]
    """MiB that scripts use, collected first: at the beginning, and at the end."""
    elements: int


def assets() -> int:
    """Bytes of all that a browser loads, compressed."""
    return sum(len(one.compressed) for one in load(FOLDER).values())


def first(browser: Chromium, agent: AgentProcess, runs: int) -> tuple[float, float]:
    """Medians: milliseconds from the navigation to the first paint, and to the first figures."""
    paints, figures = [], []
    for _ in range(runs):
        with tab(browser, agent.address) as it:
            it.page.add_init_script(_FIRST)
            it.page.goto(opening(agent.address, agent.token))
            it.page.wait_for_selector("[data-node^=sink]", state="attached")
            painted = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
            paints.append(it.page.evaluate(painted))
            figures.append(it.page.evaluate("window.seen.figures"))
    return statistics.median(paints), statistics.median(figures)


@contextmanager
def played(agent: AgentProcess, rate: float) -> Iterator[str]:
    """The address of the agent's page with so many lines a second."""
    command = [sys.executable, "-m", "benchmarks.page_player", agent.address, str(rate)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as player:
        try:
            assert player.stdout is not None
            yield player.stdout.readline().strip()
        finally:
            player.kill()


def flood(browser: Chromium, address: str, token: str, seconds: float) -> Flood:
    """Watches the view of lines for so long, and presses keys meanwhile."""
    with tab(browser, address) as it:
        page = it.page
        page.goto(opening(address, token))
        page.wait_for_url(lambda url: "token" not in url)
        page.evaluate("location.hash = '#/logs'")
        page.get_by_text("● Live").wait_for()
        page.wait_for_timeout(2000)
        heap = [_heap(page)]
        browser.browser.start_tracing(page=page, categories=["toplevel"])
        began = time.monotonic()
        _press(page, TRACED)
        traced = time.monotonic() - began
        tasks = _tasks(browser.browser.stop_tracing())
        page.evaluate(_WATCH)
        pressed = _press(page, seconds)
        seen = page.evaluate(
            "({...window.watched, took: (performance.now() - window.watched.began) / 1000})"
        )
        kept = _kept(page)
        heap.append(_heap(page))
        elements = page.evaluate("document.querySelectorAll('*').length")
    return Flood(
        seconds=seen["took"],
        rate=0.0,
        longest=seen["longest"],
        longest_cpu=max(tasks, default=0.0),
        over=sum(task > 100 for task in tasks),
        busy=sum(tasks) / 1000 / traced,
        frames=seen["frames"] / seen["took"],
        slowest=seen["slowest"],
        keys=sorted(seen["keys"]),
        pressed=pressed,
        kept=kept,
        heap=heap,
        elements=elements,
    )


def _tasks(trace: bytes) -> list[float]:
    """Milliseconds of CPU time of each task of the page's main thread; none is within another."""
    events = json.loads(trace)["traceEvents"]
    mains = {
        (event["pid"], event["tid"])
        for event in events
        if event["name"] == "thread_name" and event["args"]["name"] == "CrRendererMain"
    }
    tasks, end = [], dict.fromkeys(mains, 0)
    for event in sorted(events, key=lambda event: event.get("ts", 0)):
        main = (event["pid"], event["tid"])
        if main in mains and "tdur" in event and event["ts"] >= end[main]:
            tasks.append(event["tdur"] / 1000)
            end[main] = event["ts"] + event["dur"]
    return tasks


def _press(page: Page, seconds: float) -> int:
    """Pauses, steps, wraps and goes on, over and over."""
    until, count = time.monotonic() + seconds, 0
    page.locator(".pane-scroll").focus()
    while time.monotonic() < until:
        for key in ("Space", "k", "k", "j", "Space", "w", "w"):
            page.keyboard.press(key)
            page.wait_for_timeout(250)
            count += 1
        page.wait_for_timeout(1000)
    return count


def _kept(page: Page) -> int:
    text = page.locator(".logs-status").inner_text()
    found = re.search(r"([\d,]+) kept", text)
    return int(found[1].replace(",", "")) if found else 0


def _heap(page: Page) -> float:
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    used: float = session.send("Runtime.getHeapUsage")["usedSize"]
    session.detach()
    return used / 2**20


@dataclass(frozen=True)
class Rows:
    """Of the table of containers. Times are milliseconds."""

    count: int
    sort: float
    search: float
    rows: int
    """In the document, at the most."""


def rows(browser: Chromium, agent: AgentProcess, count: int, runs: int) -> Rows:
    """Sorts and searches the table, several times."""
    with tab(browser, agent.address) as it:
        page = it.page
        page.goto(opening(agent.address, agent.token))
        page.wait_for_url(lambda url: "token" not in url)
        page.evaluate("location.hash = '#/containers'")
        page.get_by_text(re.compile(rf"^{count:,} of {count:,}")).wait_for()
        page.wait_for_timeout(1000)
        sorts, searches, most = [], [], 0
        for run in range(runs):
            for _ in range(3):  # by name, and the other way around
                sorts.append(page.evaluate(_TIMED, ["thead th:first-child button", None]))
                page.wait_for_timeout(200)
            for text in (f"00{run % 10}", "idle-", ""):
                searches.append(page.evaluate(_TIMED, ["[data-search]", text]))
                page.wait_for_timeout(200)
            most = max(most, page.locator("tbody tr").count())
    return Rows(count, statistics.median(sorts), statistics.median(searches), most)
