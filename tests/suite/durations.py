"""What each test took: kept in a file by every run, and the slowest are printed.

The file is `.durations.json` beside `pyproject.toml`, with the seconds of each test by its name,
those of its fixtures included.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from tests.suite.lanes import LANES
from tests.suite.workers import is_worker

SLOWEST = 10
FILE = ".durations.json"


class Durations:
    """Of one run, gathered where its end is reported."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seconds: Counter[str] = Counter()
        self._lanes: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds[report.nodeid] += report.duration
        for key, value in report.user_properties:
            if key == "lane":
                self._lanes[report.nodeid] = str(value)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self._seconds:
            return
        self._file.write_text(json.dumps(self._seconds, indent=0) + "\n")
        terminalreporter.section(f"the {SLOWEST} slowest; all are in {FILE}", "-")
        for name, seconds in self._seconds.most_common(SLOWEST):
            terminalreporter.line(f"{seconds:6.1f} s  {self._lanes.get(name, ''):6}  {name}")
        for name in LANES:
            those = [n for n, its in self._lanes.items() if its == name]
            if those:
                took = sum(self._seconds[n] for n in those)
                terminalreporter.line(f"{name:6} {len(those):5} tests, {took:6.0f} s, one by one")


def pytest_configure(config: pytest.Config) -> None:
    if not is_worker(config):
        config.pluginmanager.register(Durations(config.rootpath / FILE), "durations")
