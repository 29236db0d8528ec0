"""What all tests share: a real Engine, a watch for calls that block the loop, and how they run."""

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

from pipeline import native
from pipeline.errors import EngineError
from pipeline.testing import ways
from pipeline.testing.docker_client import BUSYBOX
from pipeline.testing.private_engine import PrivateEngine, why_not

pytest_plugins = [
    "tests.suite.clock",
    "tests.suite.lanes",
    "tests.suite.durations",
    "tests.suite.examples",
    "tests.suite.processes",
    "tests.suite.skips",
]


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
