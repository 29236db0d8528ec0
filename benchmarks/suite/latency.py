"""How long a line takes from Docker to the sink, and what it costs, at a steady pace.

One container logs so many lines a second. When Docker has had a line is in its own log, so that the
figure is the same for a program that passes on Docker's time, and for one that does not.
"""

from __future__ import annotations

import re
import tempfile
import time
from collections import defaultdict
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from benchmarks.measured import Running, progress, running
from benchmarks.receiver import Receiver
from benchmarks.suite.programs import Program
from benchmarks.writers import Writers
from pipeline.testing.private_engine import PrivateEngine

RATE = 10_000
CONTAINER = "paced"
MARK = b'"path":"/items/'
SETTLING, WARM_UP = 2.0, 1.5
"""Seconds until the program is taken to follow the container; and of lines that do not count."""
PATIENCE = 60.0


def latency(
    engine: PrivateEngine, program: Program, rate: int = RATE, window: float = 6.0
) -> dict[str, Any]:
    """Milliseconds, lines and the share of a core in `window` seconds; or why there are none."""
    with tempfile.TemporaryDirectory() as name, Receiver(MARK) as receiver:
        folder = Path(name)
        with Writers(engine, folder, [CONTAINER], rate, options=()) as writers:
            command = program.prepare(engine, folder, "w1", [receiver.port], CONTAINER)
            with running(command, engine.pid, folder / "log", program.environment) as process:
                found = _watched(process, receiver, writers, window)
                log = Path(engine.docker("inspect", "--format", "{{.LogPath}}", CONTAINER).strip())
                if not found.get("failed"):
                    since = found.pop("since")
                    found |= _figures(lags(receiver, log, since, since + window))
    progress(f"{program.name}, {rate:,} lines/s: {found}")
    return found


def _watched(
    process: Running, receiver: Receiver, writers: Writers, window: float
) -> dict[str, Any]:
    time.sleep(SETTLING)
    writers.go()
    if not receiver.come(1, PATIENCE, PATIENCE):
        return {"failed": f"nothing came within {PATIENCE:g} s: {process.said[-300:]}"}
    time.sleep(WARM_UP)
    since, cpu, count = time.time(), process.cpu(), receiver.count()
    time.sleep(window)
    took = time.time() - since
    found = {
        "since": since,
        "lines": (receiver.count() - count) / took,
        "cpu": (process.cpu() - cpu) / took,
    }
    writers.stop()
    written = writers.written()
    receiver.come(written, PATIENCE, 3)
    return found | {"written": written, "lost": written - receiver.count()}


def lags(receiver: Receiver, log: Path, since: float, until: float) -> list[float]:
    """Seconds from Docker's time of each line that came between two moments, sorted."""
    had: dict[bytes, list[float]] = defaultdict(list)
    number = re.compile(re.escape(MARK.replace(b'"', b'\\"')) + rb"(\d+)")
    with log.open("rb") as lines:
        for line in lines:
            if found := number.search(line):
                had[found[1]].append(datetime.fromisoformat(orjson.loads(line)["time"]).timestamp())
    came: dict[bytes, int] = defaultdict(int)
    taken = []
    for connection in receiver.used():
        with connection.content() as content:
            for found in re.finditer(re.escape(MARK) + rb"(\d+)", content):
                times, nth = had[found[1]], came[found[1]]
                came[found[1]] += 1
                arrived = connection.arrived(found.start())
                if since <= arrived < until and nth < len(times):
                    taken.append(arrived - times[nth])
    return sorted(taken)


def _figures(lags: list[float]) -> dict[str, Any]:
    if not lags:
        return {"failed": "no line came in the time that was looked at"}
    at = [lags[len(lags) // 2], lags[len(lags) * 99 // 100], lags[-1]]
    return dict(zip(("p50", "p99", "max"), (round(lag * 1000, 3) for lag in at), strict=True))
