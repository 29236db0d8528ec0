"""A real Docker Engine of one's own, in a temporary folder, that needs no registry and no network.

It has no bridge and touches no firewall rule, so its containers run on `--network none` (or
`host`). Beside it another Engine may run, with or without a containerd of the system's own.
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
"""Seconds; measured 1 to 2 on an idle machine of two cores."""

_PREFIX = "dockline-engine-"
_GAVE_UP = "failed to start containerd: timeout waiting for containerd to start"
"""The last words of a dockerd whose containerd needed more than 15 s, as on a busy machine."""
_ISOLATE = ("unshare", "--net", "sh", "-c", 'busybox ip link set lo up && exec "$@"', "sh")
_SBIN = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin:/usr/sbin:/sbin"])


def why_not() -> str | None:
    """What keeps this machine from running a private Engine, in one sentence; None if nothing."""
    if os.geteuid() != 0:
        return "a private Docker Engine needs root"
    for command in ("dockerd", "docker", "containerd", "runc"):
        if not shutil.which(command, path=_SBIN):
            return f"there is no `{command}` command: install docker.io and docker-cli"
    return None


class PrivateEngine(DockerClient):
    """An Engine from `start` to `close`; as a context manager, from `with` to its end.

    `arguments` are given to dockerd after our own, such as `--live-restore`, or `--host` with
    one more address. Containers survive `stop` and `kill` as they would on any host, and are
    gone after `close`, whatever has happened before. What a crashed process has left behind is
    cleared by the next one that starts an Engine.

    `isolated` gives it a network namespace of its own, where it may have bridges, overlays and a
    Swarm without leaving an interface on this machine; its published ports are not reachable
    from here, and its containers reach nothing outside.
    """

    def __init__(self, *arguments: str, isolated: bool = False) -> None:
        # A short path: that of a unix socket may not be longer than 107 bytes. The name serves
        # as containerd's namespace too, which takes no underscore at its end.
        self.directory = Path(f"/tmp/{_PREFIX}{secrets.token_hex(4)}")
        unlocked = self.directory.with_name(f".{self.directory.name}")  # where nobody sweeps
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
        """Of dockerd. Raises `EngineError` while it is stopped."""
        if self._process is None:
            raise EngineError("the private Engine is stopped")
        return self._process.pid

    def start(self) -> None:
        """Starts dockerd, unless it runs, and returns when it answers.

        Raises `EngineError` with the end of dockerd's own log when it does not.
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
                start_new_session=True,  # Ctrl-C is for us; the Engine is stopped in order
            )
        return self._process

    def stop(self, number: int = signal.SIGTERM, timeout: float = 60) -> None:
        """Sends dockerd a signal and waits for its end. Without `--live-restore` an orderly stop
        stops the containers too."""
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
        """SIGKILL, as the out-of-memory killer would; containers and containerd live on.

        The next start takes some 10 s (measured), for dockerd waits for the containerd it finds.
        """
        self.stop(signal.SIGKILL)

    def restart(self) -> None:
        self.stop()
        self.start()

    def close(self) -> None:
        """Removes the containers, the processes, the mounts and the folder. May be repeated."""
        if self._process is not None and self._process.poll() is None:
            with suppress(EngineError):  # what cannot be done in order is done by `leftovers`
                self._remove_containers()
            with suppress(EngineError):
                self.stop(timeout=30)
        self.kill()
        if self.directory.exists():
            leftovers.clear(self.directory)
        self._lock.close()

    @property
    def log_path(self) -> Path:
        """What dockerd and containerd say."""
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
            # dockerd takes the system's containerd where one runs: stay out of its "moby".
            *("--containerd-namespace", directory.name),
            *("--containerd-plugins-namespace", f"{directory.name}-plugins"),
            *("--iptables=false", "--ip6tables=false", "--bridge=none"),
            *self._arguments,
        ]

    def _is_ready(self, process: subprocess.Popen[bytes], deadline: float) -> bool:
        """Whether it answers before it ends, or the time does."""
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
    """Clears the folders of private Engines whose process has died without doing so."""
    for directory in Path("/tmp").glob(f"{_PREFIX}*"):
        try:
            lock = _lock(directory)
        except (BlockingIOError, FileNotFoundError):
            continue  # its owner lives, or has just removed it
        with lock:
            leftovers.clear(directory)


def _lock(directory: Path) -> IO[bytes]:
    """Held as long as this process lives: by it another knows whether a folder has an owner."""
    lock = (directory / "lock").open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise
    return lock
