"""Whether this process is one of several that run the tests."""

from __future__ import annotations

import pytest


def is_worker(config: pytest.Config) -> bool:
    return worker_count(config) > 0


def worker_count(config: pytest.Config) -> int:
    """How many there are; 0 where this is none of them."""
    return int(getattr(config, "workerinput", {}).get("workercount", 0))
