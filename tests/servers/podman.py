"""A real Podman, as a service on a socket of its own, with storage in a temporary folder."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from pipeline.testing.docker_client import BUSYBOX, busybox_tar

PATIENCE = 60.0


class PodmanServer:
    """Serves Docker's API while the context lasts, and removes its containers at its end.

    `runc` and cgroupfs: crun refuses a host with hybrid control groups, and systemd need not run.
    """

    def __init__(self, directory: Path) -> None:
        for command in ("podman", "runc"):
            if not shutil.which(command):
                pytest.skip(f"there is no `{command}` command: install podman and runc")
        self.socket = directory / "podman.sock"
        self.url = f"unix://{self.socket}"
        self.log = directory / "podman.log"
        self._options = [
            "--runtime=runc",
            "--cgroup-manager=cgroupfs",
            "--events-backend=file",
            f"--root={directory}/root",
            f"--runroot={directory}/run",
            f"--tmpdir={directory}/tmp",
        ]

    def __enter__(self) -> Self:
        self.start()
        self.podman("import", "-", BUSYBOX, stdin=busybox_tar({}))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.podman("rm", "--all", "--force", "--time=0")
        self.stop()
        self.podman("system", "reset", "--force")

    def start(self) -> None:
        """The service, and waits until it listens."""
        with self.log.open("ab") as log:
            command = ["podman", *self._options, "system", "service", "--time=0", self.url]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + PATIENCE
        while not self.socket.exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"podman does not serve:\n{self.log.read_text()}")
            time.sleep(0.05)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """The service; containers live on, each with a monitor of its own."""
        self._process.send_signal(number)
        self._process.wait(PATIENCE)
        self.socket.unlink(missing_ok=True)

    def podman(self, *arguments: str, stdin: bytes = b"") -> str:
        """The standard output of `podman ARGUMENTS`, on the same storage."""
        done = subprocess.run(
            ["podman", *self._options, *arguments],
            input=stdin,
            capture_output=True,
            check=False,
            cwd=self.log.parent,  # where a container's monitor leaves a file `oom`
        )
        if done.returncode:
            pytest.fail(f"podman {arguments[0]}: {done.stderr.decode(errors='replace')}")
        return done.stdout.decode().strip()

    def run(self, name: str, *arguments: str) -> str:
        """Starts a container without a network; gives its id."""
        options = ("run", "--detach", "--network=none", f"--name={name}")
        return self.podman(*options, *arguments)

    def log_of(self, name: str) -> Path:
        """The file of a container's log, to which its monitor appends."""
        path = self.podman("inspect", "--format={{.HostConfig.LogConfig.Path}}", name)
        return Path(path)
