"""What all tests share: a real Engine, a watch for calls that block the loop, a list of skips."""

from __future__ import annotations

import atexit
import faulthandler
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing import resource_tracker
from pathlib import Path

import pytest
from blockbuster import blockbuster_ctx
from hypothesis import Phase, settings

from pipeline import native
from pipeline.errors import EngineError
from pipeline.testing import ways
from pipeline.testing.docker_client import BUSYBOX
from pipeline.testing.private_engine import PrivateEngine, why_not

NO_SKIPS = os.environ.get("CI", "").lower() in ("1", "true")
"""Set in CI, where a machine that cannot run a part of the suite is a failure."""

settings.register_profile("any machine", parent=settings.default, deadline=None)
settings.register_profile(
    "no shrinking",  # of a failure: with a mutant it is enough to know that there is one
    parent=settings.get_profile("any machine"),
    phases=[Phase.explicit, Phase.generate],
)
settings.load_profile("any machine")

_ENGINE_FIXTURES = {"engine", "fresh_engine", "busybox"}


@pytest.fixture(scope="session")
def engine() -> Iterator[PrivateEngine]:
    """One private Engine for the whole session. Tests remove the containers that they start."""
    with _running() as private:
        yield private


@pytest.fixture(scope="session")
def busybox(engine: PrivateEngine) -> str:
    """Name of an image with a shell, in `engine`."""
    return engine.import_busybox()


@pytest.fixture
def fresh_engine() -> Iterator[Callable[..., PrivateEngine]]:
    """Starts an Engine that the test may stop and kill: `fresh_engine("--live-restore")`.

    It has the image `busybox:local`.
    """
    with ExitStack() as stack:

        def start(*arguments: str, isolated: bool = False) -> PrivateEngine:
            private = stack.enter_context(_running(*arguments, isolated=isolated))
            private.import_busybox(BUSYBOX)
            return private

        yield start


@contextmanager
def _running(*arguments: str, isolated: bool = False) -> Iterator[PrivateEngine]:
    if reason := why_not():
        pytest.skip(reason)
    with ExitStack() as stack:
        try:
            private = stack.enter_context(PrivateEngine(*arguments, isolated=isolated))
        except EngineError as error:
            pytest.skip(str(error))
        yield private


@pytest.fixture(scope="module", params=["c", "python"])
def either_loops(request: pytest.FixtureRequest) -> Iterator[None]:
    """The loops of `pipeline.native` run in C, and then in Python."""
    built = native.loops
    if request.param == "c" and built is None:
        pytest.skip(f"{native.described}: install gcc, libc6-dev and python3-dev, and build anew")
    native.loops = built if request.param == "c" else None
    yield
    native.loops = built


@pytest.fixture(params=["api", "file"])
def both_ways(request: pytest.FixtureRequest) -> Iterator[str]:
    """What the tests start reads logs over the API, and then from files."""
    with ways.reading(request.param):
        yield request.param


@pytest.fixture
def over_the_api() -> Iterator[None]:
    """What the test starts reads logs over the API."""
    with ways.reading("api"):
        yield


@pytest.fixture(autouse=True)
def no_blocking_calls() -> Iterator[None]:
    """A call that blocks the event loop, made by the package's own code, raises `BlockingError`.

    The private Engine's client, which is synchronous on purpose, is not part of the product; and
    the client for S3 has an event loop of its own because the library blocks.
    """
    excluded = ["pipeline.testing", "pipeline.transport.background", "pipeline.transport.s3"]
    with blockbuster_ctx("pipeline", excluded_modules=excluded):
        yield


def pytest_configure() -> None:
    """A shell starts what runs in the background with SIGINT ignored, and the programs that tests
    start would inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@atexit.register
def end_resource_tracker() -> None:
    """The process that multiprocessing starts beside this one ends when nobody holds its pipe any
    more, and Python 3.13 waits for that without end. Whoever holds it yet is named: a test has left
    it behind."""
    tracker = resource_tracker._resource_tracker  # type: ignore[attr-defined]
    if tracker._pid is None or tracker._fd is None:
        return
    pipe = Path(f"/proc/self/fd/{tracker._fd}").readlink()
    for process in Path("/proc").glob("[0-9]*"):
        held, own = _held(process, pipe), int(process.name) == os.getpid()
        if held > own and int(process.name) != tracker._pid:
            command = (process / "cmdline").read_text(errors="replace").replace("\0", " ")
            print(f"process {process.name} holds {pipe} {held} times: {command}", file=sys.stderr)
    with suppress(ProcessLookupError):
        os.kill(tracker._pid, signal.SIGKILL)


def _held(process: Path, file: Path) -> int:
    """How often a process has it open."""
    count = 0
    with suppress(OSError):  # it has ended meanwhile
        for descriptor in (process / "fd").iterdir():
            with suppress(OSError):
                count += descriptor.readlink() == file
    return count


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """A process that does not end, whose tests have all ended, shows where and ends."""
    faulthandler.dump_traceback_later(60, exit=True, file=sys.__stderr__)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if _ENGINE_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker("engine")
        if "image" in getattr(item, "fixturenames", ()):
            item.add_marker("image")


def _skipped(config: pytest.Config) -> list[tuple[str, str]]:
    """Name and reason of all that did not run here."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    reports = reporter.stats.get("skipped", []) if reporter else []
    return [(report.nodeid, report.longrepr[2]) for report in reports]


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if NO_SKIPS and session.exitstatus == pytest.ExitCode.OK and _skipped(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if skipped := _skipped(config):
        terminalreporter.section("could not run on this machine", "-", red=NO_SKIPS, yellow=True)
        for name, reason in skipped:
            terminalreporter.line(f"{name}: {reason.removeprefix('Skipped: ')}")
        if NO_SKIPS:
            terminalreporter.line("CI is set: what was skipped counts as failed", red=True)
