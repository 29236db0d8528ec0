"""What stands between agents and hubs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from tests.fleet.queues import kafka
from tests.fleet.queues.kafka import KafkaQueue
from tests.fleet.queues.nats import NatsQueue
from tests.fleet.queues.queue import Queue

QUEUES: Mapping[str, Callable[[Path, int], Queue]] = {"nats": NatsQueue, "kafka": KafkaQueue}
"""Each takes a folder for its files, and the number of its servers."""


def why_not(name: str) -> str | None:
    """Why there is no such queue on this machine, in one sentence; None where there is."""
    return kafka.why_not() if name == "kafka" else None
