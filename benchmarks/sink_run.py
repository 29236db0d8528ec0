"""One sink that sends lines, in a process of its own: `benchmarks.sinks` starts it.

    python -m benchmarks.sink_run FOLDER LINES

The folder has `sink.toml`, and gets `result.json`.
"""

from __future__ import annotations

import asyncio
import gc
import json
import resource
import sys
import time
from pathlib import Path

from prometheus_client import CollectorRegistry

from benchmarks.lines import line_of
from pipeline.accounting.acks import AckTracker
from pipeline.accounting.envelope import Envelope
from pipeline.accounting.ledger import Ledger
from pipeline.config.file import parse
from pipeline.model.batch import Batch
from pipeline.model.component import SinkContext
from pipeline.model.container import Container
from pipeline.model.metrics import Metrics
from pipeline.topology.output import Output

PER_BATCH = 280
"""As many as a socket of dockerd's holds."""
SAMPLES = 100
WARM_UP = 20_000
CONTAINER = Container(
    "0123456789ab" + "0" * 52,
    "shop-api-1",
    "shop/api:1.4",
    {"com.docker.compose.project": "shop", "com.docker.compose.service": "api"},
    host="web-1",
)


def samples() -> list[Batch]:
    """Two thousand lines a second."""
    count = PER_BATCH * SAMPLES
    lines = [line_of(number).rstrip("\n").encode() for number in range(count)]
    times = [b"2026-11-24T08:00:%02d.%09dZ" % (n // 2000, n % 2000 * 500_000) for n in range(count)]
    return [
        Batch(
            CONTAINER,
            lines[at : at + PER_BATCH],
            times[at : at + PER_BATCH],
            b"\1" * PER_BATCH,
            range(PER_BATCH),
            route="all",
        )
        for at in range(0, count, PER_BATCH)
    ]


class Feed:
    """Puts lines, and knows how many were settled."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._samples = samples()
        self._put = self.settled = self._wanted = 0
        self._all = asyncio.Event()
        self._tracker: AckTracker[int] = AckTracker(self._settle)

    async def lines(self, count: int) -> None:
        """Returns when the destination has them."""
        end = self._put + count
        while self._put < end:
            size = min(PER_BATCH, end - self._put)
            sample = self._samples[self._put // PER_BATCH % SAMPLES]
            if size < PER_BATCH:
                sample = sample.pick(range(size))
            batch = sample.replace(sequences=range(self._put, self._put + size))
            ack = self._tracker.open(self._put + size)
            await self._output.put(Envelope(batch, ack=ack))
            self._put += size
        self._wanted = end
        self._settle(self.settled)
        await self._all.wait()
        self._all.clear()

    def _settle(self, position: int) -> None:
        self.settled = position
        if position == self._wanted:
            self._all.set()


def used() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def run(folder: Path, lines: int) -> dict[str, float]:
    config = parse((folder / "sink.toml").read_text(), {}).config.sinks["it"]
    metrics = Metrics(CollectorRegistry())
    output = Output(config, SinkContext("it", host="web-1"), metrics, Ledger())
    feed = Feed(output)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(output.delivery.run(), name="delivery")
        await feed.lines(min(WARM_UP, lines))
        gc.collect()
        size, cpu, wall = count(metrics, "delivered_bytes"), used(), time.perf_counter()
        await feed.lines(lines)
        cpu, wall = used() - cpu, time.perf_counter() - wall
        delivered = count(metrics, "delivered_entries") - min(WARM_UP, lines)
        size = count(metrics, "delivered_bytes") - size
        task.cancel()
    if delivered != lines:
        raise SystemExit(f"{lines - delivered:g} of {lines} lines were not delivered")
    million = lines / 1_000_000
    return {"cpu": round(cpu / million, 3), "rate": round(lines / wall), "size": size / lines}


def count(metrics: Metrics, name: str) -> float:
    return metrics.registry.get_sample_value(f"dockline_{name}_total", {"sink": "it"}) or 0


if __name__ == "__main__":
    where = Path(sys.argv[1])
    result = asyncio.run(run(where, int(sys.argv[2])))
    (where / "result.json").write_text(json.dumps(result))
