"""One run of one program, as the operating system accounts for it."""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.lines import cpu_of

GRACE = 30.0
"""Seconds that a program may take to end."""


@dataclass
class Measured:
    """One run. CPU is of the program and of dockerd, in seconds, user and system."""

    cpu: float
    dockerd_cpu: float
    wall: float
    """From the start of the program to the last message's arrival, in seconds."""
    flow: float = field(default=0.0, kw_only=True)
    """The same from the first message's arrival: what the start took is another figure."""
    peak_mib: float
    """Resident memory, as the kernel's high-water mark of the program's own address space: what
    `wait4` tells begins with that of the process that started it."""
    lines: int
    """Read by it."""
    came: int = 0
    """Messages that came."""
    faults: str = "none"
    """Lost, destroyed, repeated or reordered lines."""
    failed: str = ""
    """Why it did not do what it was asked for; its figures then mean nothing."""

    @property
    def rate(self) -> float:
        """Lines per second while they flowed."""
        return self.lines / (self.flow or self.wall)


def as_installed() -> dict[str, str]:
    """Our environment, but that Python keeps what it compiles, as an installed package has it."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


class Running:
    """A program from its start to `end`, with the CPU that it and dockerd have used since."""

    def __init__(
        self,
        command: Sequence[str],
        dockerd: int,
        log: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._log, self._dockerd, self._dockerd_before = log, dockerd, cpu_of(dockerd)
        self.began = time.time()
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**as_installed(), **(environment or {})},
            )

    @property
    def alive(self) -> bool:
        """Whether it runs; its end is not waited for, so that `ended` can tell what it used."""
        state = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0]
        return self.process.returncode is None and state != "Z"

    @property
    def said(self) -> str:
        """The end of what it has written."""
        return self._log.read_text(errors="replace")[-2000:]

    def peak(self) -> float:
        """MiB of resident memory at the most, so far; 0 when it has ended."""
        return memory(self.process.pid, "VmHWM") if self.alive else 0.0

    def cpu(self) -> float:
        return cpu_of(self.process.pid)

    def end(self, number: int = signal.SIGTERM) -> tuple[float, float]:
        """Sends it a signal, and waits for its end; CPU seconds of it and of dockerd."""
        os.kill(self.process.pid, number)  # `send_signal` would wait for a process that has ended
        return self.ended(GRACE)

    def ended(self, patience: float) -> tuple[float, float]:
        """Waits for its end, and kills it after so many seconds; CPU as `end` gives it."""
        deadline = time.monotonic() + patience
        while not (ended := os.wait4(self.process.pid, os.WNOHANG))[0]:
            if time.monotonic() > deadline:
                self.process.kill()
            time.sleep(0.005)
        _, status, usage = ended
        self.process.returncode = os.waitstatus_to_exitcode(status)
        return usage.ru_utime + usage.ru_stime, cpu_of(self._dockerd) - self._dockerd_before


@contextmanager
def running(
    command: Sequence[str],
    dockerd: int,
    log: Path,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Running]:
    """Killed at the end, if nobody has ended it."""
    program = Running(command, dockerd, log, environment)
    try:
        yield program
    finally:
        if program.process.returncode is None:
            program.end(signal.SIGKILL)


def memory(pid: int, what: str) -> float:
    """`VmRSS` or `VmHWM` of a process, in MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition(f"{what}:")[2].split()[0]) / 1024


def median_of(runs: Iterable[Measured], figure: str) -> float:
    return statistics.median(getattr(run, figure) for run in runs)


def progress(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)
