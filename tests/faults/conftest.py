"""What the fault suite shares: real servers, and containers that are gone afterwards."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pipeline.testing.private_engine import PrivateEngine
from tests.faults.containers import Containers
from tests.servers.certificates import authority
from tests.servers.rsyslog import rsyslog

__all__ = ["authority", "containers", "rsyslog"]


@pytest.fixture
def containers(engine: PrivateEngine, busybox: str) -> Iterator[Containers]:
    made = Containers(engine, busybox)
    yield made
    made.remove()
