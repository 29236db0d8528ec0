"""Runs of the fleet as they stand in benchmarks/results: fleet.json, and fleet.md made from it."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import msgspec

from tests.fleet.outcome import Moment, Outcome

RESULTS = Path(__file__).parents[2] / "benchmarks/results"

INTRODUCTION = """\
# A fleet, some of which is killed meanwhile

`make fleet QUEUE=…`: four Engines with an agent each, a queue, two hubs and more, and VictoriaLogs,
all on the same {cores} cores, CPython {python}. Each of 16 containers writes a burst of lines, ten
times a second at most. Other work ran beside it, so the pace says little: what one hub takes is in
[hub.md](hub.md).

Each kill is `kill -9`. A line is missing when VictoriaLogs does not have its container's number of
it, or has less lines than numbers. It is repeated when the same number is there once more:
VictoriaLogs stores what comes twice. For the order, each hub delivers to a second sink, too, which
notes every line as it comes: one that comes for the first time after a later one of its container
would be a fault. What came there again stands beside what had happened before.
"""


class Happened(msgspec.Struct, frozen=True):
    """A `Moment`, in what the model of large fleets needs of it."""

    what: str
    repeated: int
    """Lines that came again until the next."""
    silence: float
    """The longest time without a new line of a container, in seconds."""


class Run(msgspec.Struct, frozen=True):
    burst: int
    table: str
    happened: list[Happened]

    def after(self, what: str) -> Happened:
        """What came of a moment. Raises `StopIteration` where there is none of that name."""
        return next(one for one in self.happened if one.what == what)


def load(folder: Path = RESULTS) -> dict[str, Run]:
    """By the name of the queue, as `nats`, `kafka` or `nats SERVERS=3`."""
    file = folder / "fleet.json"
    return msgspec.json.decode(file.read_bytes(), type=dict[str, Run]) if file.exists() else {}


def save(queue: str, outcome: Outcome, burst: int, folder: Path = RESULTS) -> None:
    """In place of the last run with that queue."""
    runs = load(folder) | {queue: Run(burst, outcome.table(), [*map(_happened, outcome.moments)])}
    raw = msgspec.json.format(msgspec.json.encode(runs), indent=1)
    (folder / "fleet.json").write_bytes(raw + b"\n")
    python = platform.python_version()
    text = INTRODUCTION.format(cores=os.cpu_count(), python=python)
    for name, run in runs.items():
        text += f"\n## QUEUE={name}\n\nBursts of {run.burst} lines. {run.table}\n"
    (folder / "fleet.md").write_text(text)


def _happened(one: Moment) -> Happened:
    return Happened(one.what, one.repeated, round(one.silence, 1))
