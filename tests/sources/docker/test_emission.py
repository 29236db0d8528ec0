"""What a log's lines become: a batch with a time for each of them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from pipeline.batch import Batch
from pipeline.checkpoint import Position
from pipeline.metrics import Metrics
from pipeline.settlement import Account
from pipeline.sources.docker import emission
from pipeline.sources.docker.emission import Emission
from pipeline.sources.docker.frames import Frames
from pipeline.sources.docker.pieces import Columns
from pipeline.testing.builders import container
from pipeline.timestamps import NO_TIME


async def test_a_line_without_a_time_gets_that_of_the_engines_clock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(emission, "time", SimpleNamespace(time=lambda: 1000.0))
    given: list[Batch] = []

    async def distribute(batch: Batch) -> None:
        given.append(batch)

    engine: Any = SimpleNamespace(clock_offset=60.0)
    subject: Any = SimpleNamespace(container=container(), distribute=distribute)
    account: Account[Position] = Account(lambda position: None)
    one = Emission(engine, subject, Position(), account, Metrics(CollectorRegistry()))
    known = b"2026-01-31T23:59:59.000000001Z"
    await one.take(Columns([b"a", b"b"], [NO_TIME, known], bytearray(b"\1\1"), [], {}), Frames(100))
    assert given[0].times == [b"1970-01-01T00:17:40.000000000Z", known]
