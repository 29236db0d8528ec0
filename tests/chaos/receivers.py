"""The receivers' processes, as the run starts, commands and kills them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.servers.ports import free_port

ROOT = Path(__file__).parents[2]


class Peer:
    """One receiver over all its lives, on one port and with one folder of records."""

    def __init__(
        self, module: str, folder: Path, environment: dict[str, str] | None = None
    ) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.port = free_port()
        self._module = f"tests.chaos.{module}"
        self._environment = os.environ | (environment or {})
        self._log = folder.with_suffix(".err")
        self._process: subprocess.Popen[str] | None = None

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self._module, str(self.port), str(self.folder)],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=self._environment,
                start_new_session=True,  # Ctrl-C is for the run
            )
        self._answer()

    def ask(self, command: str) -> Any:
        """Gives a command, and its answer when it is done."""
        assert self._process is not None and self._process.stdin is not None
        with suppress(BrokenPipeError):  # then there is no answer either
            self._process.stdin.write(command + "\n")
            self._process.stdin.flush()
        return json.loads(self._answer())

    def _answer(self) -> str:
        assert self._process is not None and self._process.stdout is not None
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self._module} has ended; see {self._log}")
        return answer

    def signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        if self._process is None:
            return
        process, self._process = self._process, None
        process.send_signal(signal.SIGKILL)
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
