"""What all tests share: a real Engine, a watch for calls that block the loop, and how they run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
from blockbuster import blockbuster_ctx

from pipeline import native
from pipeline.model.errors import EngineError
from pipeline.testing import ways
from pipeline.testing.docker_client import BUSYBOX
from pipeline.testing.private_engine import PrivateEngine, why_not

pytest_plugins = [
    "tests.suite.clock",
    "tests.suite.lanes",
    "tests.suite.durations",
    "tests.suite.ending",
    "tests.suite.examples",
    "tests.suite.heap",
    "tests.suite.order",
    "tests.suite.pauses",
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
    excluded = [
        "pipeline.testing",
        "pipeline.transport.s3.background",
        "pipeline.transport.s3.bucket",
    ]
    with blockbuster_ctx("pipeline", excluded_modules=excluded):
        yield
