"""The habits that the test suite enforces on everybody do bite."""

from __future__ import annotations

from pathlib import Path

import pytest
from blockbuster import BlockingError

from pipeline import model
from pipeline.testing import docker_client
from pipeline.transport.net import stream
from tests.suite.clock import WAITS

pytest_plugins = "pytester"

CONFTEST = Path(__file__).parents[1] / "conftest.py"


def sleep_in(file: str | None) -> None:
    """Calls `time.sleep` from a frame that belongs to `file`."""
    assert file
    exec(compile("import time; time.sleep(0)", file, "exec"), {})


async def test_a_blocking_call_of_the_package_in_the_loop_fails() -> None:
    with pytest.raises(BlockingError, match=r"time\.sleep"):
        sleep_in(model.__file__)


async def test_tests_and_their_engine_may_block() -> None:
    sleep_in(__file__)
    sleep_in(docker_client.__file__)


def test_the_product_pauses_for_moments() -> None:
    assert WAITS["pipeline.transport.net.stream.GRACE"] == stream.GRACE


@pytest.mark.usefixtures("real_waits")
def test_a_test_may_ask_for_the_products_own_pauses() -> None:
    assert stream.GRACE == 0.2


def run_a_suite_that_skips(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, reason: str = "no such server"
) -> pytest.RunResult:
    monkeypatch.setenv("PYTHONPATH", str(CONFTEST.parent.parent))
    pytester.makeconftest(CONFTEST.read_text())
    pytester.makepyfile(f"import pytest\n\ndef test_one(): pytest.skip({reason!r})")
    return pytester.runpytest_subprocess()


@pytest.mark.server
def test_what_is_skipped_is_listed_by_name(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    run = run_a_suite_that_skips(pytester, monkeypatch)
    assert run.ret == 0
    run.stdout.fnmatch_lines(["*could not run on this machine*", "*::test_one: no such server"])


@pytest.mark.server
def test_in_ci_a_skip_is_a_failure(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    run = run_a_suite_that_skips(pytester, monkeypatch)
    assert run.ret == 1
    run.stdout.fnmatch_lines(["CI is set: what was skipped counts as failed"])


@pytest.mark.server
def test_a_program_that_only_a_variable_names_may_be_missing_in_ci(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    run = run_a_suite_that_skips(pytester, monkeypatch, "not given: BROKER has no path")
    assert run.ret == 0
    run.stdout.fnmatch_lines(["*::test_one: not given: BROKER has no path"])
