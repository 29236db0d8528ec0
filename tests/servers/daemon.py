"""A server in the foreground, on free ports of the loopback, stopped by its own process id."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

PATIENCE = 60.0
"""Seconds for anything that a server on this machine should do at once, however busy it is."""


def eventually(what: str, done: Callable[[], bool]) -> None:
    """Waits until `done`, or fails."""
    deadline = time.monotonic() + PATIENCE
    while not done():
        if time.monotonic() > deadline:
            pytest.fail(f"{what}: not within {PATIENCE:g} s")
        time.sleep(0.02)


def takes_datagrams(port: int) -> bool:
    """Whether a socket for UDP is bound to it: see proc_net(5)."""
    rows = Path("/proc/net/udp").read_text().splitlines()[1:]
    return any(row.split()[1].endswith(f":{port:04X}") for row in rows)


def connections(port: int) -> int:
    """To it, that its server has not closed: see proc_net(5)."""
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[1].endswith(f":{port:04X}") and row[3] in ("01", "08") for row in rows)


class Daemon:
    """Runs `command` in `directory` while the context lasts, and shows its output on failure."""

    def __init__(
        self,
        command: list[str],
        directory: Path,
        ports: Sequence[int],
        env: Mapping[str, str] | None = None,
    ) -> None:
        """`ports` all listen when it is ready."""
        self.command = command
        self.log = directory / f"{Path(command[0]).name}.log"
        self.ports = ports
        self.env = env
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, env=self.env)
        eventually(f"{self.command[0]} listens", self._listens)

    def stop(self) -> None:
        """Politely; also flushes what it holds."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(PATIENCE)
            self.process = None

    def kill(self) -> None:
        """At once, as the kernel's out-of-memory killer would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(PATIENCE)
            self.process = None

    def _listens(self) -> bool:
        if self.process is None or self.process.poll() is not None:
            pytest.fail(f"{self.command[0]} ended:\n{self.log.read_text(errors='replace')}")
        try:
            for port in self.ports:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return False
        return True
