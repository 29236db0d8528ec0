"""Peak memory of the agent with containers whose labels or tags are many times their lines.

    python -m benchmarks.labels [--only file,kafka] [--containers labels,tags] [--read api,file]
        [--seconds 15] [--write]

A container of a real Engine has written newlines alone: 26,000 with 100 KB of labels, or 60,000
with 32 tags of 500 bytes that dockline honours. The agent, a process with the defaults of its sink,
reads them from the beginning, and `VmHWM` says how much memory it had at the most, after all was
delivered or that many seconds: the peak comes as soon as the buffers are full. The destinations are
those of `benchmarks.sinks`.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import msgspec

from benchmarks.destinations import WAYS, Way
from benchmarks.sinks import machine
from pipeline.testing.agent_process import AgentProcess
from pipeline.testing.private_engine import PrivateEngine

RESULTS = Path(__file__).parent / "results" / "labels.md"
FIGURES = RESULTS.with_suffix(".json")
"""Of all runs with `--write`, so that one sink can be measured again."""
LIMIT = 200
"""MiB that the agent is to stay under."""


class Kind(NamedTuple):
    """A container that is hard on memory."""

    lines: int
    labels: dict[str, str]


KINDS = {
    "none": Kind(60_000, {}),
    "labels": Kind(26_000, {f"label-{number}": "x" * 1000 for number in range(100)}),
    "tags": Kind(
        60_000,
        {f"dockline.tag.{chr(97 + number % 26) * 250}{number}": "x" * 250 for number in range(32)},
    ),
}


CONFIG = """
[logs]
start = "beginning"
read = "{read}"
containers = 'name == "{name}"'
[sinks.it]
type = "{type}"
{settings}
[routes.all]
from = ["logs"]
to = ["it"]
"""


class Figure(NamedTuple):
    peak: float
    """MiB."""
    delivered: float
    """Of all entries, from 0 to 1."""


Figures = dict[str, dict[str, Figure]]
"""By way, then by container and way of reading."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", default="", help="names of ways or sinks, with commas")
    parser.add_argument("--containers", default=",".join(KINDS))
    parser.add_argument("--read", default="api,file")
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--write", action="store_true", help="keep the figures in results/")
    given = parser.parse_args()
    only = set(filter(None, given.only.split(",")))
    ways = [way for way in WAYS if not only or {way.name, way.kind} & only]
    kinds, reads = given.containers.split(","), given.read.split(",")
    figures: Figures = {}
    if given.write and FIGURES.exists():
        figures = msgspec.json.decode(FIGURES.read_bytes(), type=Figures)
    with PrivateEngine() as engine:
        for kind in kinds:
            start(engine, kind)
        for way in ways:
            for kind in kinds:
                for read in reads:
                    found = measured(engine, way, kind, read, given.seconds)
                    figures.setdefault(way.name, {})[f"{kind}, {read}"] = found
                    said = (
                        f"{way.name}, {kind}, {read}: {found.peak:.0f} MiB, {found.delivered:.0%}"
                    )
                    print(said, file=sys.stderr, flush=True)
            if given.write:
                FIGURES.write_bytes(msgspec.json.format(msgspec.json.encode(figures)) + b"\n")
    text = report(figures)
    print(text)
    if given.write:
        RESULTS.write_text(f"# Large labels and many tags\n\n{text}\n")


def start(engine: PrivateEngine, name: str) -> None:
    """A container that writes its lines, and stays: one that has ended is not read."""
    lines, labels = KINDS[name]
    image = engine.import_busybox()
    with tempfile.NamedTemporaryFile("w") as file:
        file.write("".join(f"{key}={value}\n" for key, value in labels.items()))
        file.flush()
        engine.docker(
            "run", "--detach", "--name", name, "--network", "none", "--log-driver", "json-file",
            "--label-file", file.name, image,
            "sh", "-c", f"yes '' | head -n {lines}; exec sleep 99999",
        )  # fmt: skip


def measured(engine: PrivateEngine, way: Way, kind: str, read: str, seconds: float) -> Figure:
    with tempfile.TemporaryDirectory() as name, way.destination(Path(name)) as settings:
        config = CONFIG.format(read=read, name=kind, type=way.kind, settings=settings)
        agent = AgentProcess(Path(name) / "agent", engine.url, config)
        with agent:
            agent.connected()
            until = time.monotonic() + seconds
            peak = delivered = 0.0
            while time.monotonic() < until and delivered < KINDS[kind].lines:
                time.sleep(0.2)
                peak = max(peak, high_water(agent.process.pid))
                delivered = agent.metric('dockline_delivered_entries_total{sink="it"}') or 0
            return Figure(peak, delivered / KINDS[kind].lines)


def high_water(pid: int) -> float:
    """The most memory that a process had, in MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def report(figures: Figures) -> str:
    columns = [f"{kind}, {read}" for kind in KINDS for read in ("api", "file")]
    columns = [one for one in columns if any(one in found for found in figures.values())]
    rows = [
        f"`python -m benchmarks.labels --write`, {machine()}.",
        "",
        "MiB of memory that the agent had at the most (`VmHWM`) while it read a container that"
        f" wrote newlines alone, over the API and from the file: {KINDS['none'].lines:,} without"
        f" labels, {KINDS['labels'].lines:,} with 100 KB of labels, {KINDS['tags'].lines:,} with"
        " 32 tags of 500 bytes. In brackets, how many of them had arrived, where the time was too"
        f" short for all: most sinks write 2.6 GB and 1 GB. The goal is {LIMIT} MiB."
        " `s3` gathers 16 MiB of entries for an object, and loads aiobotocore, or pyarrow too.",
        "",
        "Before batches were split by labels and tags, 1,500 and 10,000 such lines of both"
        " containers took 554 MiB over the API and 433 from the files"
        " (`tests/integration/test_large_labels.py`).",
        "",
        f"| sink | {' | '.join(columns)} |",
        f"|---|{'---|' * len(columns)}",
    ]
    for way in WAYS:
        if found := figures.get(way.name):
            cells = [cell(found[one]) if one in found else "" for one in columns]
            rows.append(f"| `{way.name}` | {' | '.join(cells)} |")
    peaks = [one.peak for found in figures.values() for one in found.values()]
    highest, middle = max(peaks), statistics.median(peaks)
    return "\n".join([*rows, "", f"Highest: {highest:.0f} MiB; median: {middle:.0f} MiB."])


def cell(figure: Figure) -> str:
    if figure.delivered >= 1:
        return f"{figure.peak:.0f}"
    return f"{figure.peak:.0f} ({figure.delivered:.0%})"


if __name__ == "__main__":
    main()
