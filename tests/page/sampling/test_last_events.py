"""The events of each container that the page shows."""

from __future__ import annotations

from typing import Any

from pipeline.page.sampling.last_events import MOST_EVENTS, MOST_WITH_EVENTS, LastEvents
from pipeline.sources.docker.lifecycle.states import Told

ID = "a" * 64


def event(action: str, time: float = 1.0, container_id: str = ID) -> dict[str, Any]:
    return {
        "Action": action,
        "Actor": {"ID": container_id, "Attributes": {}},
        "timeNano": int(time * 1e9),
    }


def test_each_is_kept_with_its_words_but_for_one_that_repeats_another() -> None:
    kept = LastEvents()
    kept.observe(event("oom", 1), Told("out of memory"))
    kept.observe(event("oom", 2), Told("out of memory", again=True))
    kept.observe(event("die", 3), Told("killed: out of memory after 2 h"))
    found = [(one.time, one.action, one.text) for one in kept.of(ID)]
    assert found == [(1, "oom", "out of memory"), (3, "die", "killed: out of memory after 2 h")]
    assert kept.of("b" * 64) == []


def test_a_hostile_action_is_one_short_line() -> None:
    kept = LastEvents()
    kept.observe(event("\x1b[2J\n" + "x" * 10_000), Told("x"))
    (one,) = kept.of(ID)
    assert one.action.isprintable()
    assert len(one.action) == 32


def test_what_is_kept_is_bounded() -> None:
    kept = LastEvents()
    for number in range(MOST_EVENTS + 5):
        kept.observe(event("start", number), Told("started"))
    assert [one.time for one in kept.of(ID)] == [float(n) for n in range(5, MOST_EVENTS + 5)]
    ids = [f"{number:064}" for number in range(MOST_WITH_EVENTS)]
    for one in ids:
        kept.observe(event("start", container_id=one), Told("started"))
    assert kept.of(ID) == []
    assert all(kept.of(one) for one in ids)
