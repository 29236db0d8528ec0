"""dockline and its peers as the suite runs them: a command, prepared for one workload and one port.

A program is run once from the start of its process to its end; `turns` has them run in turns.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from benchmarks.lines import NAME
from benchmarks.measured import Measured, running
from benchmarks.programs import configuration, delivered
from benchmarks.receiver import Receiver
from benchmarks.workloads import ROUTES, Name, Read, Workload
from pipeline import native
from pipeline.testing.private_engine import PrivateEngine


class Program(Protocol):
    """What is compared."""

    @property
    def name(self) -> str:
        """As the report has it."""

    @property
    def read(self) -> Read: ...

    @property
    def version(self) -> str: ...

    @property
    def environment(self) -> Mapping[str, str]: ...

    def configuration(self, workload: Name) -> str:
        """As a reader of the report would like to see it."""

    def prepare(
        self, engine: PrivateEngine, folder: Path, workload: Name, ports: Sequence[int], of: str
    ) -> Sequence[str]:
        """Writes what it needs to `folder`; the command that reads the container `of`."""


def can(program: Program, workload: Name) -> bool:
    """Whether there is a configuration of it for that workload."""
    try:
        program.configuration(workload)
    except (OSError, LookupError):
        return False
    return True


@dataclass(frozen=True)
class Dockline:
    """The agent, in one way of reading."""

    read: Read
    version: str
    python: str = sys.executable
    routes: str = ""
    """Instead of those of the workload."""

    @property
    def name(self) -> str:
        return "dockline, API" if self.read == "api" else "dockline, files"

    @property
    def environment(self) -> Mapping[str, str]:
        return {}

    def configuration(self, workload: Name) -> str:
        return configuration("SOCKET", self.read, "STATE", NAME, ROUTES[workload], [0])

    def prepare(
        self, engine: PrivateEngine, folder: Path, workload: Name, ports: Sequence[int], of: str
    ) -> Sequence[str]:
        routes = self.routes or ROUTES[workload]
        config = folder / "dockline.toml"
        config.write_text(configuration(engine.url, self.read, str(folder), of, routes, ports))
        return [self.python, "-m", "pipeline", "run", "-c", str(config)]


def run(
    program: Program, engine: PrivateEngine, workload: Workload, *, sinks: int = 1, of: str = NAME
) -> Measured:
    """Once. With more than one sink each has all of it, at a receiver of its own."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        receivers = [stack.enter_context(Receiver()) for _ in range(sinks)]
        ports = [receiver.port for receiver in receivers]
        command = program.prepare(engine, folder, workload.name, ports, of)
        started = running(command, engine.pid, folder / "log", program.environment)
        return delivered(stack.enter_context(started), receivers, workload)


def our_version() -> str:
    """The version, and the commit it was measured at."""
    root = Path(__file__).parent.parent.parent
    asked = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=root, capture_output=True, text=True, check=False,
    )  # fmt: skip
    python = sys.version.split()[0]
    return f"commit {asked.stdout.strip() or 'unknown'}, CPython {python}, {native.described}"
