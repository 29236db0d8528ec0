"""What stands between agents and hubs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from tests.fleet.queues.nats import NatsQueue
from tests.fleet.queues.queue import Queue

QUEUES: Mapping[str, Callable[[Path], Queue]] = {"nats": NatsQueue}
"""Each takes a folder for its files."""


def why_not(name: str) -> str | None:
    """Why there is no such queue on this machine, in one sentence; None where there is."""
    return None
