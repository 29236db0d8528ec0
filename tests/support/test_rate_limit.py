"""What may happen with every batch is said now and then, and nothing of it is left out."""

from __future__ import annotations

import logging

import pytest

from pipeline.support import rate_limit
from pipeline.support.rate_limit import RateLimit, Trouble


def test_the_first_is_said_at_once_and_the_others_together_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1000.0
    monkeypatch.setattr("pipeline.support.rate_limit.time.monotonic", lambda: now)
    limit = RateLimit()
    assert limit() == 1
    assert [limit(2) for _ in range(100)] == [0] * 100
    now += rate_limit.EVERY
    assert limit() == 201
    assert limit() == 0


def test_trouble_is_said_when_it_begins_and_when_it_is_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    trouble = Trouble(logging.getLogger("some"), "sink a")
    for problem in ("it is away", "it is still away", None, None):
        trouble(problem)
        assert trouble.problem == problem
    assert caplog.messages == [
        "sink a: it is away; retrying",
        "sink a: back to normal after 0.0 s",
    ]
    assert [one.levelname for one in caplog.records] == ["WARNING", "INFO"]


def test_the_end_of_a_trouble_tells_how_long_it_took_from_its_first_sign(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    now, began = 1000.0, []
    monkeypatch.setattr("pipeline.support.rate_limit.time.time", lambda: now)
    trouble = Trouble(
        logging.getLogger("some"), "a", began=lambda: began.append(now), over=lambda: "3 are kept"
    )
    for problem in ("away", "still away", None):
        trouble(problem)
        now += 40
    assert began == [1000.0]
    assert caplog.messages[-1] == "a: back to normal after 1 min 20 s: 3 are kept"


def test_trouble_that_comes_and_goes_all_the_time_is_said_now_and_then_and_stays_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    now = 1000.0
    monkeypatch.setattr("pipeline.support.rate_limit.time.monotonic", lambda: now)
    trouble = Trouble(logging.getLogger("some"), "sink a")
    for _ in range(1000):
        now += 0.1
        trouble("it is away")
        trouble(None)
    assert 2 * rate_limit.OFTEN <= len(caplog.messages) <= 2 * (rate_limit.OFTEN + 11)
    caplog.clear()
    for _ in range(200):  # now it lasts
        now += 0.1
        trouble("it is away")
    trouble(None)
    assert caplog.messages == [
        "sink a: it is away; retrying",
        "sink a: back to normal after 0.0 s",
    ]
