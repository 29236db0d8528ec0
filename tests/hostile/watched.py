"""What is seen of the agent while it is attacked."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.testing.agent_process import AgentProcess
from tests.hostile.neighbours import last_time

EVERY = 1.0


@dataclass
class Watched:
    """Looks every second, in a thread of its own, until it is closed."""

    agent: AgentProcess
    honest: Path
    """What a sink writes of containers that log ten times a second."""
    stale: float = 0.0
    """Seconds that the newest of these lines was old at the most."""
    slowest: float = 0.0
    """Seconds that `/healthz` took to answer at the most."""
    silent: int = 0
    """How often it did not answer within ten seconds."""
    unbalanced: list[str] = field(default_factory=list)
    """What the ledger could not account for, twice in a row: one line of a scrape each."""
    scrapes: int = 0
    figures: dict[str, float] = field(default_factory=dict)
    """The sums of the last scrape, by name of the metric."""

    def __post_init__(self) -> None:
        self._peak, self._resident, self._cpu = 0, 0, 0.0
        self._over = threading.Event()
        self._before: set[str] = set()
        self._thread = threading.Thread(target=self._run, name="watched", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._over.set()
        self._thread.join(30)

    @property
    def peak(self) -> int:
        """Bytes that were resident at the most."""
        with suppress(OSError):
            text = Path(f"/proc/{self.agent.process.pid}/status").read_text()
            if found := re.search(r"VmHWM:\s+(\d+) kB\nVmRSS:\s+(\d+) kB", text):
                self._peak, self._resident = (int(size) * 1024 for size in found.groups())
        return self._peak

    @property
    def cpu(self) -> float:
        """Seconds of CPU that it took."""
        with suppress(OSError):
            stat = Path(f"/proc/{self.agent.process.pid}/stat").read_text().rpartition(")")[2]
            user, system = stat.split()[11:13]
            self._cpu = (int(user) + int(system)) / 100
        return self._cpu

    def _run(self) -> None:
        looks = 0
        while not self._over.wait(EVERY):
            self._healthz()
            looks += 1
            if self.honest.exists() and (newest := last_time(self.honest)):
                self.stale = max(self.stale, time.time() - newest)
            if looks % 5 == 0:
                self._scrape()
            _ = self.peak, self.cpu

    def _healthz(self) -> None:
        began = time.monotonic()
        if self._asked(lambda: self.agent.get("/healthz"))[0] == 200:
            self.slowest = max(self.slowest, time.monotonic() - began)
        else:
            self.silent += 1

    def _scrape(self) -> None:
        status, page = self._asked(lambda: self.agent.get("/metrics"))
        if status != 200:
            return
        self.scrapes += 1
        figures: dict[str, float] = {}
        wrong = set()
        for line in page.splitlines():
            if line.startswith("dockline_"):
                figures[name] = figures.get(name := re.split("[{ ]", line, maxsplit=1)[0], 0.0) + (
                    float(line.rpartition(" ")[2])
                )
                if name == "dockline_unaccounted_entries" and not line.endswith(" 0.0"):
                    wrong.add(line)
        self.figures = figures
        self._note()
        self.unbalanced += sorted(wrong & self._before)
        self._before = wrong

    def _note(self) -> None:
        """A line of `series.ndjson`, to see later what took how much memory when."""
        names = ("dockline_buffer_bytes", "dockline_source_in_flight_bytes")
        line = {"time": round(time.time(), 1), "resident": self._resident >> 20}
        line |= {name: int(self.figures.get(name, 0)) >> 20 for name in names}
        with (self.agent.folder / "series.ndjson").open("a") as file:
            file.write(json.dumps(line) + "\n")

    def _asked(self, ask: Callable[[], tuple[int, str]]) -> tuple[int, str]:
        try:
            return ask()
        except OSError:
            return 0, ""


def turns(file: Path) -> list[dict[str, Any]]:
    """What `tests.hostile.turns` has noted, the longest first."""
    noted = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    return sorted(noted, key=lambda turn: -float(turn["cpu"]))
