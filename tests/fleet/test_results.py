"""Runs are kept by their queue, and both stand in the report."""

from __future__ import annotations

from pathlib import Path

from tests.fleet import results
from tests.fleet.outcome import Moment, Order, Outcome
from tests.fleet.stored import Stored


def outcome(queue: str, repeated: int) -> Outcome:
    moment = Moment("a hub is killed", 5, 3, 3.25, repeated, silence=25.04)
    stored = {"a": Stored(10, 10, 10, 1, 10)}
    return Outcome(1, queue, {"a": 10}, {"a": "host1-w"}, stored, [moment], Order(), 2.0)


def test_a_run_takes_the_place_of_the_last_with_its_queue(tmp_path: Path) -> None:
    for queue, repeated in (("nats", 1), ("kafka", 2), ("nats", 3)):
        results.save(queue, outcome(f"{queue} server", repeated), 300, tmp_path)
    found = results.load(tmp_path)
    assert {queue: run.after("a hub is killed").repeated for queue, run in found.items()} == {
        "nats": 3,
        "kafka": 2,
    }
    assert found["nats"].after("a hub is killed").silence == 25.0
    text = (tmp_path / "fleet.md").read_text()
    assert text.index("## QUEUE=nats\n\nBursts of 300 lines. nats server: 10") < text.index(
        "## QUEUE=kafka"
    )
