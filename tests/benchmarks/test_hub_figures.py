"""The figures of hubs come back as they were kept, and stand in the report."""

from __future__ import annotations

from pathlib import Path

from benchmarks import hub_figures
from benchmarks.hub_figures import LARGE, SMALL, Drained, Published, QueueFigures

FIGURES = QueueFigures(
    version="a queue 1.0", machine="2 cores", lines=1_000_000, line=144.6, containers=64,
    published={
        LARGE: Published(pace=1_000_000, agent=0.5, broker=0.25, size=23.3),
        SMALL: Published(pace=200_000, agent=4, broker=1, size=77.5),
    },
    drained=[
        Drained(
            what="to a file", message=LARGE, pace=400_000, hub=2, broker=1, store=None, peak_mib=90
        ),
        Drained(
            what="to a store", message=SMALL, pace=30_000, hub=20, broker=4, store=15, peak_mib=99
        ),
    ],
)  # fmt: skip


def test_figures_are_kept_by_their_queue_and_reported(tmp_path: Path) -> None:
    hub_figures.save({"nats": FIGURES}, tmp_path)
    found = hub_figures.load(tmp_path / "hub.json")
    assert found == {"nats": FIGURES}
    assert found["nats"].hub("to a store", SMALL).hub == 20
    text = (tmp_path / "hub.md").read_text()
    assert "`python -m benchmarks.hub --queue nats`: a queue 1.0, 1,000,000 lines of 145" in text
    assert "| published, lines a second | 1,000,000 | 200,000 |" in text
    assert "| bytes of a line in the queue | 23.3 | 77.5 |" in text
    assert "| to a file | 500 | 400,000 | 2.00 | 1.00 | – | 90 |" in text
    assert "| to a store | 12 | 30,000 | 20.00 | 4.00 | 15.00 | 99 |" in text
