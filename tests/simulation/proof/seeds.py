"""Seeds, run in a copy of the tree."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

AT_A_TIME = 25
"""Seeds of one process, which keeps what they leave in memory."""
PATIENCE = 120.0
"""Seconds that a seed may take. One that takes longer will never end."""


class Run(NamedTuple):
    """One run of the simulation."""

    seed: int
    seconds: float
    """Of CPU."""
    wrong: str
    """What the judge said first; empty if nothing was wrong."""


class Stopped(Exception):
    """No more seeds are to be run."""


def runs(tree: Path, seeds: Sequence[int], stop: threading.Event) -> Iterator[Run]:
    """Runs seeds, in order, until the iterator is closed. Raises `Stopped` after the present one
    once `stop` is set."""
    left = list(seeds)
    while left:
        for run in _some(tree, left[:AT_A_TIME]):
            if stop.is_set():
                raise Stopped
            left.remove(run.seed)
            yield run


def _some(tree: Path, seeds: Sequence[int]) -> Iterator[Run]:
    """Ends early, after a seed in which the simulation itself has failed."""
    process = subprocess.Popen(
        ["nice", sys.executable, "-m", "tests.simulation.proof.play", *map(str, seeds)],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree), "PYTHONHASHSEED": "0"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    late = threading.Event()

    def end() -> None:
        late.set()
        _kill(process)

    timer = threading.Timer(PATIENCE, end)
    last: deque[str] = deque(["nothing was said"], maxlen=1)
    left = deque(seeds)
    try:
        timer.start()
        assert process.stdout is not None
        for line in process.stdout:
            if not line.startswith(f"[{left[0]}, " if left else "["):
                last.extend(filter(None, [line.strip()]))
                continue
            timer.cancel()
            timer = threading.Timer(PATIENCE, end)
            timer.start()
            left.popleft()
            yield Run(*json.loads(line))
        if left:
            said = f"it takes longer than {PATIENCE:g} s" if late.is_set() else last[0]
            yield Run(left[0], 0.0, f"the run does not end: {said}")
    finally:
        timer.cancel()
        _kill(process)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _kill(process: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
