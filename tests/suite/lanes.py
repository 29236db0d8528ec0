"""Lanes: what a test needs, so that each can be run where and as often as it is worth it.

`unit` has neither a process beside it nor a socket beyond the loopback, `server` starts a real
server or the program itself, `engine` needs a Docker Engine, and `slow` (any of these, by its
marker) takes more than ten seconds. A test is in `unit` unless its markers or fixtures say
otherwise; one that starts a process there fails.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

LANES = ("unit", "server", "engine", "slow")

_ENGINE = {"engine", "fresh_engine", "busybox", "house"}
_SERVER = {
    "chromium",
    "nats_server",
    "old_nats_server",
    "redis_server",
    "rsyslog",
    "rsyslog_server",
    "s3",
    "s3_server",
    "syslog_ng_server",
    "victorialogs",
    "victorialogs_server",
    "victoriametrics_server",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ())) - _values(item)
        if "image" in fixtures:
            item.add_marker("image")
            item.add_marker("slow")
            item.add_marker(pytest.mark.xdist_group("image"))  # it is built once
        if fixtures & _ENGINE:
            item.add_marker("engine")
        if fixtures & _SERVER:
            item.add_marker("server")
        if lane(item) == "unit":
            item.add_marker("unit")
        item.user_properties.append(("lane", lane(item)))


def _values(item: pytest.Item) -> set[str]:
    """What it is parametrized with; those names are no fixtures."""
    callspec = getattr(item, "callspec", None)
    return set(callspec.params) if callspec else set()


def lane(item: pytest.Item) -> str:
    """The slowest that the test is in."""
    found = {mark.name for mark in item.iter_markers()}
    return next((name for name in reversed(LANES) if name in found), "unit")


@pytest.fixture(autouse=True)
def no_process_in_unit(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test of the lane `unit` that starts a process fails, and says which."""
    if lane(request.node) != "unit":
        yield
        return
    with _without_processes():
        yield


@contextmanager
def _without_processes() -> Iterator[None]:
    patch = pytest.MonkeyPatch()

    def refuse(self: object, command: object, *_: Any, **__: Any) -> None:
        pytest.fail(f"a test of the lane `unit` starts {command}: mark it `server`")

    patch.setattr(subprocess.Popen, "__init__", refuse)
    try:
        yield
    finally:
        patch.undo()
