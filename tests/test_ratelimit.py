"""What may happen with every batch is said now and then, and nothing of it is left out."""

from __future__ import annotations

import pytest

from pipeline import ratelimit
from pipeline.ratelimit import RateLimit


def test_the_first_is_said_at_once_and_the_others_together_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1000.0
    monkeypatch.setattr("pipeline.ratelimit.time.monotonic", lambda: now)
    limit = RateLimit()
    assert limit() == 1
    assert [limit(2) for _ in range(100)] == [0] * 100
    now += ratelimit.EVERY
    assert limit() == 201
    assert limit() == 0
