"""Waits of the product that tests would otherwise sit through, in the time of a test.

Each is a constant of a module, in seconds. A test of the wait itself, or of what may happen while
it lasts, asks for the fixture `real_waits` and gets the product's own values; so does the product
where a test starts it as a process.

Only waits that nothing depends on are here: a pause before another look or another try. A limit on
how long something may take is not: short limits fail on a busy machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module

import pytest

WAITS = {
    "pipeline.runtime.agent.SAVE_EVERY": 0.05,
    "pipeline.buffer.spooled.RETRY": 0.05,
    "pipeline.intake.runner.FIRST_WAIT": 0.02,
    "pipeline.topology.output.LOOK": 0.01,
    "pipeline.topology.container_lanes.SHORTAGE": 0.05,
    "pipeline.sources.docker.logs.distributor.SHORTAGE": 0.05,
    # An Engine on a busy machine takes longer to answer than its users would wait.
    "pipeline.sources.docker.lifecycle.exit.WAIT": 20.0,
    "pipeline.sources.docker.logs.file_reader.AGAIN": 0.05,
    "pipeline.sources.docker.logs.follower.FIRST_WAIT": 0.02,
    "pipeline.sources.docker.discovery.watch.FIRST_WAIT": 0.02,
    "pipeline.transport.net.stream.BLOCKED": 0.05,
    # With this a peer that does not want what it got may say so too late. Tests of such a peer ask
    # for `real_waits`, or for `long_grace` where it does say so.
    "pipeline.transport.net.stream.GRACE": 0.01,
}

_OWN = pytest.StashKey[Mapping[str, float]]()
"""The product's values."""


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_OWN] = _exchanged(WAITS)


@pytest.fixture
def real_waits(pytestconfig: pytest.Config) -> Iterator[None]:
    """The product waits as long as it does for its users."""
    quick = _exchanged(pytestconfig.stash[_OWN])
    yield
    _exchanged(quick)


@pytest.fixture
def long_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer that has something against what it got may take its time to say so."""
    monkeypatch.setattr("pipeline.transport.net.stream.GRACE", 60.0)


def _exchanged(values: Mapping[str, float]) -> dict[str, float]:
    """Sets them, and gives those before."""
    before = {}
    for name, value in values.items():
        place, _, constant = name.rpartition(".")
        module = import_module(place)
        before[name] = float(getattr(module, constant))
        setattr(module, constant, value)
    return before
