"""What could not run on this machine, by name and reason. In CI that is a failure."""

from __future__ import annotations

import os

import pytest

NO_SKIPS = os.environ.get("CI", "").lower() in ("1", "true")
"""Set in CI, where a machine that cannot run a part of the suite is a failure."""
NOT_GIVEN = "not given: "
"""How the reason of a skip begins where a program is missing that no package brings, and whose path
is to be in an environment variable. That is no failure."""


def _skipped(config: pytest.Config) -> list[tuple[str, str]]:
    """Name and reason of all that did not run here."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    reports = reporter.stats.get("skipped", []) if reporter else []
    return [(report.nodeid, report.longrepr[2].removeprefix("Skipped: ")) for report in reports]


def _counts(config: pytest.Config) -> bool:
    """Whether something was skipped that this machine should have run."""
    return any(not reason.startswith(NOT_GIVEN) for _, reason in _skipped(config))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if NO_SKIPS and session.exitstatus == pytest.ExitCode.OK and _counts(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if skipped := _skipped(config):
        terminalreporter.section("could not run on this machine", "-", red=NO_SKIPS, yellow=True)
        for name, reason in skipped:
            terminalreporter.line(f"{name}: {reason}")
        if NO_SKIPS and _counts(config):
            terminalreporter.line("CI is set: what was skipped counts as failed", red=True)
