"""Containers that log what this process gives them, at a steady pace or as fast as they can.

Each runs `cat` on a FIFO in a folder that it shares with a process of ours, so that a pace of many
lines a second is kept exactly, at next to no cost, and every line written is counted.
"""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import threading
import time
from collections.abc import Sequence
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Event
from pathlib import Path
from types import TracebackType

from benchmarks.calibration import json_lines
from pipeline.testing.private_engine import PrivateEngine

TICK = 0.02
"""Seconds between two writes to a container."""
MOST = 2000
"""Lines of one write."""
PIPE = 1 << 20
F_SETPIPE_SZ = 1031
ROTATION = ("--log-opt", "max-size=50m", "--log-opt", "max-file=4")

_SPAWN = multiprocessing.get_context("spawn")


class Writers:
    """Running containers of these names, from `with` to its end, that write nothing yet.

    `rate` is in lines a second of each, 0 for as fast as it goes; `count` is how many lines each
    writes at the most, 0 for no end. The lines are `json_lines` in turn, of 142 bytes.
    """

    def __init__(
        self,
        engine: PrivateEngine,
        folder: Path,
        names: Sequence[str],
        rate: float,
        count: int = 0,
        options: Sequence[str] = ROTATION,
    ) -> None:
        self.names = names
        self._engine = engine
        self._folder = folder
        self._options = options
        self._written = [_SPAWN.Value("q", 0) for _ in names]
        self._go, self._stop = _SPAWN.Event(), _SPAWN.Event()
        fifos = [str(folder / name) for name in names]
        self._process = _SPAWN.Process(
            target=_write, args=(fifos, rate, count, self._written, self._go, self._stop)
        )

    def __enter__(self) -> Writers:
        for name in self.names:
            os.mkfifo(self._folder / name)
            self._engine.docker(
                "run", "--detach", "--network", "none", "--name", name, *self._options,
                "--volume", f"{self._folder}:/fifos", "busybox:local", "cat", f"/fifos/{name}",
            )  # fmt: skip
        self._process.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.join()
        self._engine.docker("rm", "--force", *self.names)
        for name in self.names:
            (self._folder / name).unlink()

    def go(self) -> None:
        """From here on they write."""
        self._go.set()

    def stop(self) -> None:
        """They write no more, and end. All that was written is in their logs by then."""
        self._go.set()
        self._stop.set()
        self._process.join()
        self._engine.docker("wait", *self.names)

    def written(self) -> int:
        """Lines, of all of them."""
        return sum(int(value.value) for value in self._written)


def _write(
    fifos: Sequence[str],
    rate: float,
    count: int,
    written: Sequence[Synchronized[int]],
    go: Event,
    stop: Event,
) -> None:
    lines = [line + b"\n" for line in json_lines()]
    threads = [
        threading.Thread(target=_write_one, args=(fifo, lines, rate, count, value, go, stop))
        for fifo, value in zip(fifos, written, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _write_one(
    fifo: str,
    lines: Sequence[bytes],
    rate: float,
    count: int,
    written: Synchronized[int],
    go: Event,
    stop: Event,
) -> None:
    with open(fifo, "wb", buffering=0) as pipe:  # noqa: PTH123 - waits for the container
        fcntl.fcntl(pipe, F_SETPIPE_SZ, PIPE)
        go.wait()
        began, done = time.monotonic(), 0
        while not stop.is_set() and not (count and done >= count):
            due = int((time.monotonic() - began) * rate) - done if rate else MOST
            if count:
                due = min(due, count - done)
            start = done % len(lines)
            some = lines[start : start + min(due, MOST)]
            left = memoryview(b"".join(some))
            while left:
                left = left[pipe.write(left) :]
            done += len(some)
            written.value = done
            if len(some) == due and rate:
                time.sleep(max(TICK, 1 / rate))
        stop.wait()
