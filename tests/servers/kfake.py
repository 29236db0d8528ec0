"""A Kafka broker with consumer groups, whose data survives a kill: a program of its own, whose path
is in the environment variable `KAFKA_BROKER`.

It is started as `$KAFKA_BROKER -d FOLDER -sync`, and listens on 127.0.0.1:9092, 9093 and 9094, for
three brokers: kfake of franz-go does. Its ports are the same for all tests, so one test at a time
has it.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from pathlib import Path
from typing import IO

import pytest

from tests.servers.daemon import Daemon
from tests.suite.skips import NOT_GIVEN

PORTS = (9092, 9093, 9094)
VARIABLE = "KAFKA_BROKER"


class Kfake(Daemon):
    """Keeps its records and its groups in `directory` over restarts: `kill`, then `start`."""

    def __init__(self, directory: Path, *more: str) -> None:
        program = os.environ.get(VARIABLE)
        if not program:
            pytest.skip(f"{NOT_GIVEN}{VARIABLE} is to have the path of a Kafka broker, kfake")
        self.servers = [f"127.0.0.1:{port}" for port in PORTS]
        directory.mkdir(parents=True, exist_ok=True)
        command = [program, "-d", str(directory / "data"), "-sync", "-pprof", "", *more]
        super().__init__(command, directory, PORTS)
        self._lock: IO[str] | None = None

    def start(self) -> None:
        if self._lock is None:
            self._lock = (Path(tempfile.gettempdir()) / "dockline-kafka-broker.lock").open("w")
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        super().start()

    def stop(self) -> None:
        super().stop()
        if self._lock is not None:
            self._lock.close()
            self._lock = None
