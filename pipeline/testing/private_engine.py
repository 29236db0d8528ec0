"""`PrivateEngine`: a real Docker Engine in a temporary folder. It needs no registry and no network.

It has no bridge and changes no firewall rule, so containers run with `--network none` or `host`.
Another Engine may run at the same time, with or without the system's containerd.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO

from pipeline.model.errors import EngineError
from pipeline.testing import leftovers
from pipeline.testing.docker_client import DockerClient

START_TIMEOUT = 120.0
"""Seconds. It takes 1 to 2 on an idle machine with two cores."""

_PREFIX = "dockline-engine-"
_GAVE_UP = "failed to start containerd: timeout waiting for containerd to start"
"""The last line of a dockerd whose containerd took more than 15 s to start, as on a busy
machine."""
_ISOLATE = ("unshare", "--net", "sh", "-c", 'busybox ip link set lo up && exec "$@"', "sh")
_SBIN = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin:/usr/sbin:/sbin"])


def why_not() -> str | None:
    """Why this machine cannot run a private Engine, in one sentence; None if it can."""
    if os.geteuid() != 0:
        return "a private Docker Engine needs root"
    for command in ("dockerd", "docker", "containerd", "runc"):
        if not shutil.which(command, path=_SBIN):
            return f"there is no `{command}` command: install docker.io and docker-cli"
    return None


class PrivateEngine(DockerClient):
    """A Docker Engine that runs from `start` to `close`, or in a `with` block.

    Containers survive `stop` and `kill` as on any host. `close` removes everything, whatever has
    happened before. What a crashed process has left behind is removed when another one starts an
    Engine.
    """

    def __init__(self, *arguments: str, isolated: bool = False) -> None:
        """`arguments`: more arguments for dockerd, such as `--live-restore`, or `--host` with
        another address.

        `isolated`: whether it gets its own network namespace. There it may have bridges, overlay
        networks and a Swarm without any interface on this machine. Its published ports cannot be
        reached from here, and its containers reach nothing outside.
        """
        # The path is short, since that of a unix socket is limited to 107 bytes. The name is also
        # containerd's namespace, which must not end in an underscore.
        self.directory = Path(f"/tmp/{_PREFIX}{secrets.token_hex(4)}")
        unlocked = self.directory.with_name(f".{self.directory.name}")  # `sweep` ignores it
        unlocked.mkdir(mode=0o700)
        self._lock = _lock(unlocked)
        unlocked.rename(self.directory)
        (self.directory / "daemon.json").write_text("{}\n")  # instead of the system's
        super().__init__(
            f"unix://{self.directory}/docker.sock", {"DOCKER_CONFIG": f"{self.directory}/config"}
        )
        self._arguments = arguments
        self._isolated = isolated
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> PrivateEngine:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The process id of dockerd. Raises `EngineError` while it is stopped."""
        if self._process is None:
            raise EngineError("the private Engine is stopped")
        return self._process.pid

    def start(self) -> None:
        """Starts dockerd, unless it runs, and waits until it answers.

        Raises `EngineError` with the end of dockerd's log if it doesn't.
        """
        if self._process is not None and self._process.poll() is None:
            return
        if reason := why_not():
            raise EngineError(reason, permanent=True)
        sweep()
        deadline = time.monotonic() + START_TIMEOUT
        while not self._is_ready(self._launched(), deadline):
            said = self.log_path.read_text(errors="replace").splitlines()[-5:]
            self.kill()
            if said[-1:] != [_GAVE_UP] or time.monotonic() > deadline:
                raise EngineError("\n  ".join(["dockerd did not start; it says:", *said]))

    def _launched(self) -> subprocess.Popen[bytes]:
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                self._command(),
                env=os.environ | {"PATH": _SBIN},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # so that Ctrl-C doesn't reach dockerd
            )
        return self._process

    def stop(self, number: int = signal.SIGTERM, timeout: float = 60) -> None:
        """Sends dockerd a signal and waits for its end. Without `--live-restore`, SIGTERM stops the
        containers, too.

        `timeout`: seconds; then dockerd is killed and `EngineError` is raised.
        """
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise EngineError(f"dockerd did not end within {timeout:g} s") from None

    def kill(self) -> None:
        """Sends SIGKILL to dockerd, as the kernel does when memory runs out. Containers and
        containerd go on.

        The next start takes about 10 s, since dockerd waits for the containerd that it finds.
        """
        self.stop(signal.SIGKILL)

    def restart(self) -> None:
        """Stops dockerd with SIGTERM and starts it again."""
        self.stop()
        self.start()

    def close(self) -> None:
        """Removes the containers, the processes, the mounts and the folder. May be called more than
        once."""
        if self._process is not None and self._process.poll() is None:
            with suppress(EngineError):  # `leftovers` removes what remains
                self._remove_containers()
            with suppress(EngineError):
                self.stop(timeout=30)
        self.kill()
        if self.directory.exists():
            leftovers.clear(self.directory)
        self._lock.close()

    @property
    def log_path(self) -> Path:
        """The log of dockerd and containerd."""
        return self.directory / "log"

    def _command(self) -> list[str]:
        directory = self.directory
        return [
            *(_ISOLATE if self._isolated else ()),
            "dockerd",
            *("--config-file", f"{directory}/daemon.json"),
            *("--host", self.url),
            *("--data-root", f"{directory}/data"),
            *("--exec-root", f"{directory}/exec"),
            *("--pidfile", f"{directory}/pid"),
            # dockerd uses the system's containerd if one runs: don't use its namespace "moby".
            *("--containerd-namespace", directory.name),
            *("--containerd-plugins-namespace", f"{directory.name}-plugins"),
            *("--iptables=false", "--ip6tables=false", "--bridge=none"),
            *self._arguments,
        ]

    def _is_ready(self, process: subprocess.Popen[bytes], deadline: float) -> bool:
        """Waits until it answers (True), or until it has ended or the deadline has passed
        (False)."""
        while not self._answers():
            if process.poll() is not None or time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(5)
            try:
                peer.connect(f"{self.directory}/docker.sock")
                peer.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
                return peer.recv(1024).startswith(b"HTTP/1.0 200")
            except OSError:
                return False

    def _remove_containers(self) -> None:
        if identifiers := self.docker("ps", "--all", "--quiet", timeout=30).split():
            self.docker("rm", "--force", "--volumes", *identifiers)


def sweep() -> None:
    """Removes private Engines whose process has died without closing them."""
    for directory in Path("/tmp").glob(f"{_PREFIX}*"):
        try:
            lock = _lock(directory)
        except (BlockingIOError, FileNotFoundError):
            continue  # its owner lives, or has just removed it
        with lock:
            leftovers.clear(directory)


def _lock(directory: Path) -> IO[bytes]:
    """Locks an Engine's folder for as long as this process lives. By the lock, others know that it
    is in use."""
    lock = (directory / "lock").open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise
    return lock
