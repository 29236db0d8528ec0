"""What the page holds: the figures of its design, measured in Chromium and on a running agent.

    python -m benchmarks.page [--runs 5] [--seconds 60] [--minutes 3] [--only NAME] [--write]

- assets: bytes that a browser loads, compressed;
- first: from the navigation to the first paint and the first figures, a fresh profile each;
- flood: 5,000 lines a second for `--seconds`, played by a local server beside the agent's page
  (`page_player`), since an agent shows one viewer a thousand: the longest task, frames, keys;
- sampled: the same lines a second through a real agent, which shows one in so many;
- kept: lines in the tab and its heap after `--minutes` of the flood (the design's bound is for 30);
- rows: the table of 1,000 and of 10,000 containers, sorted and searched;
- viewer: CPU of the agent with one viewer of all containers, beside the same without one, and the
  longest turn of its loop; once 500 that talk, once 10,000 that do not;
- rings: CPU of an agent with 1,000 idle containers that nobody looks at, with and without the page.

Containers are those of a `forward` source: an agent treats them as its own, but has no stats of
them. Medians; CPU seconds are the operating system's.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import page_agent, page_browser
from benchmarks.measured import progress
from benchmarks.page_agent import agent_with
from benchmarks.page_browser import Flood
from benchmarks.page_crowd import LINES
from tests.page.chromium.driver import Chromium, chromium

RATE = 5000.0
BUSY, BUSY_RATE = 500, 2000.0
"""Containers that talk, and their lines a second in all."""
Row = tuple[str, str, str, str]
"""What, its bound, what was measured, and how."""


def assets(browser: Chromium, given: argparse.Namespace) -> list[Row]:
    size = page_browser.assets()
    return [("all assets, gzip", "150 kB", f"{size / 1000:.1f} kB", "as the agent sends them")]


def first(browser: Chromium, given: argparse.Namespace) -> list[Row]:
    with _agent(12) as agent:
        paint, figures = page_browser.first(browser, agent, given.runs)
    how = f"median of {given.runs}, a fresh profile each"
    return [
        ("first paint", "300 ms", f"{paint:.0f} ms", how),
        ("first figures", "1 s", f"{figures:.0f} ms", how),
    ]


def flood(browser: Chromium, given: argparse.Namespace) -> list[Row]:
    with _agent(12) as agent, page_browser.played(agent, RATE) as address:
        found = page_browser.flood(browser, address, agent.token, given.seconds)
    return _flood(found, f"{RATE:,.0f} lines/s for {found.seconds:.0f} s, played beside the agent")


def sampled(browser: Chromium, given: argparse.Namespace) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder, agent_with(Path(folder), 40) as (agent, crowd):
        seconds = given.seconds + 15
        talk = threading.Thread(target=crowd.talk, args=(LINES, RATE, seconds))
        talk.start()
        found = page_browser.flood(browser, agent.address, agent.token, given.seconds)
        talk.join()
    how = f"{RATE:,.0f} lines/s through an agent, which shows 1,000, for {found.seconds:.0f} s"
    return _flood(found, how)


def kept(browser: Chromium, given: argparse.Namespace) -> list[Row]:
    with _agent(12) as agent, page_browser.played(agent, RATE) as address:
        found = page_browser.flood(browser, address, agent.token, given.minutes * 60)
    before, after = found.heap
    how = f"after {found.seconds / 60:.0f} minutes of {RATE:,.0f} lines/s, garbage collected"
    return [
        ("lines kept in a tab", "20,000 or 16 MiB", f"{found.kept:,}", how),
        ("heap of the tab", "150 MB", f"{after:.0f} MiB, {before:.0f} at the beginning", how),
        ("elements in the document", "", f"{found.elements:,}", how),
    ]


def rows(browser: Chromium, given: argparse.Namespace) -> list[Row]:
    found = []
    for count, bound in ((1000, "50 ms"), (10_000, "200 ms")):
        with _agent(count) as agent:
            it = page_browser.rows(browser, agent, count, given.runs)
        what, how = f"{count:,} containers", f"median of {3 * given.runs}"
        found += [
            (f"{what}, sorted", bound, f"{it.sort:.0f} ms", how),
            (f"{what}, searched", bound, f"{it.search:.0f} ms", how),
            (f"{what}, rows in the document", "200", f"{it.rows}", "at the most"),
        ]
    return found


def viewer(browser: Chromium, given: argparse.Namespace) -> list[Row]:
    found = []
    for count, rate in ((BUSY, BUSY_RATE), (10_000, 0.0)):
        with tempfile.TemporaryDirectory() as folder:
            it = page_agent.watched(Path(folder), count, rate, 10.0, given.runs)
        what = f"{count:,} containers, {rate:,.0f} lines/s"
        how = f"{it.without:.2%} without, {it.viewer:.2%} with; {given.runs} rounds of 10 s each"
        turns = f"{it.turn_without * 1e3:.0f} ms without; of CPU"
        found += [
            (f"{what}: one viewer of all", "2 % of a core more", f"{it.more:.2%}", how),
            (f"{what}: longest turn", "20 ms", f"{it.turn * 1e3:.0f} ms", turns),
            (f"{what}: lines lost", "0", f"{it.lost:,}", ""),
        ]
    return found


def rings(browser: Chromium, given: argparse.Namespace) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        with_page, none = page_agent.rings(Path(folder), 1000, 2 * given.seconds)
    how = f"{with_page:.3%} with the page, {none:.3%} without, over {2 * given.seconds:.0f} s each"
    return [("no viewer: rings of 1,000 containers", "0.1 %", f"{with_page - none:.3%}", how)]


def _flood(found: Flood, how: str) -> list[Row]:
    keys = found.keys
    worst = f"{keys[-1]:.0f} ms" if keys else "under 16 ms"
    over = f"; {found.over} over 100 ms" if found.over else ""
    cpu = f"{found.longest_cpu:.0f} ms of CPU{over}"
    return [
        ("longest task", "100 ms", f"{cpu}; {found.longest:.0f} ms by the clock", how),
        ("main thread of the tab", "", f"{found.busy:.0%} of a core", "CPU, in the first 20 s"),
        ("frames a second", "30", f"{found.frames:.0f}; {found.slowest:.0f} in the worst", how),
        ("keys answered", "100 ms", f"within {worst}", f"{found.pressed} keys"),
    ]


@contextmanager
def _agent(count: int) -> Iterator[page_agent.AgentProcess]:
    """One that knows so many containers."""
    with tempfile.TemporaryDirectory() as folder, agent_with(Path(folder), count) as (agent, _):
        yield agent


MEASURED: dict[str, Callable[[Chromium, argparse.Namespace], list[Row]]] = {
    one.__name__: one for one in (assets, first, flood, sampled, kept, rows, viewer, rings)
}


def table(found: list[Row]) -> str:
    """As Markdown."""
    lines = [("what", "bound", "measured", "how"), ("---",) * 4, *found]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=60, help="of each flood")
    parser.add_argument("--minutes", type=float, default=3, help="after which the heap is read")
    parser.add_argument("--only", choices=MEASURED, action="append")
    parser.add_argument("--write", action="store_true", help="keep the figures in results/")
    given = parser.parse_args()
    found: list[Row] = []
    with chromium() as browser:
        for name in given.only or MEASURED:
            some = MEASURED[name](browser, given)
            for row in some:
                progress(": ".join(row[::2]) + f" ({row[1]}; {row[3]})")
            found += some
        version = browser.browser.version
    load = os.getloadavg()[2]
    text = (
        f"CPython {platform.python_version()}, Chromium {version}, {os.cpu_count()} cores, "
        f"load {load:.1f} meanwhile\n\n{table(found)}"
    )
    print(text)
    if given.write:
        file = Path(__file__).parent / "results" / "page.md"
        file.write_text(f"# The page\n\n{text}\n")


if __name__ == "__main__":
    main()
