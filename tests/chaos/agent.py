"""The agent over all its lives: one configuration, one state, one log, and its memory's peak."""

from __future__ import annotations

import http.client
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

import pipeline
from tests.servers.ports import free_port

CONFIG = """\
[engine]
url = "{engine}"
[state]
directory = "{state}"
[http]
listen = "127.0.0.1:{port}"
[agent]
shutdown = "3s"
[sinks.syslog]
type = "syslog"
address = "tcp://127.0.0.1:{syslog}"
max_message = "1MiB"
buffer = {{ memory = "4MiB" }}
retry = {{ max = "1s" }}
[sinks.logstash]
type = "logstash"
address = "lumberjack://127.0.0.1:{logstash}"
buffer = {{ memory = "4MiB" }}
retry = {{ max = "1s" }}
ack_timeout = "10s"
[sinks.spooled]
type = "logstash"
address = "lumberjack://127.0.0.1:{spooled}"
buffer = {{ memory = "1MiB", disk = "4GiB" }}
retry = {{ max = "1s" }}
ack_timeout = "10s"
"""
ENDING = 60.0
"""Seconds in which a SIGTERM has to end it, `agent.shutdown` and the closing of sinks included."""


class Agent:
    """`dockline run` on a copy of the package as it is now, so that all its lives are of one
    source, whoever edits it meanwhile."""

    def __init__(self, folder: Path, engine: str, ports: dict[str, int]) -> None:
        folder.mkdir()
        self.folder = folder
        self.port = free_port()
        self.lives = 0
        self.exits: list[int] = []
        self.peak = 0
        """Bytes: the most that any of its lives had resident."""
        self.unbalanced: list[str] = []
        """What its ledger said at any time that it could not account for."""
        (folder / "dockline.toml").write_text(
            CONFIG.format(engine=engine, state=folder / "state", port=self.port, **ports)
        )
        (source,) = pipeline.__path__
        shutil.copytree(source, folder / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
        self.process: subprocess.Popen[bytes] | None = None
        self._watching = threading.Event()
        threading.Thread(target=self._watch, name="memory", daemon=True).start()

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        self.lives += 1
        with (self.folder / "log").open("ab") as log:
            log.write(b"-------- life %d\n" % self.lives)
            log.flush()
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pipeline", "run", "-c", "dockline.toml"],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def end(self, number: int) -> int:
        """Sends a signal and waits; the exit status, which is also kept."""
        assert self.process is not None
        self._measure()
        self.process.send_signal(number)
        try:
            status = self.process.wait(ENDING)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            status = 99  # it did not end
        self.exits.append(status)
        return status

    def close(self) -> None:
        self._watching.set()
        if self.alive:
            self.end(signal.SIGKILL)

    def metrics(self) -> str:
        """Nothing while it does not answer, or is killed in the middle of an answer."""
        with suppress(OSError, urllib.error.URLError, http.client.HTTPException):
            url = f"http://127.0.0.1:{self.port}/metrics"
            with urllib.request.urlopen(url, timeout=5) as answer:
                return str(answer.read().decode())
        return ""

    @property
    def said(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def bugs(self) -> list[str]:
        """Lines of its log that only a bug brings about."""
        return re.findall(r"(?m)^Traceback.*|^.* ERROR +.*", self.said)

    def _watch(self) -> None:
        while not self._watching.is_set():
            self._measure()
            self._audit()
            time.sleep(0.25)

    def _audit(self) -> None:
        for line in self.metrics().splitlines() if self.alive else ():
            if line.startswith("dockline_unaccounted_entries") and not line.endswith(" 0.0"):
                self.unbalanced.append(f"in life {self.lives}, {line}")

    def _measure(self) -> None:
        process = self.process
        if process is None:
            return
        with suppress(OSError):
            text = Path(f"/proc/{process.pid}/status").read_text()
            if found := re.search(r"VmHWM:\s+(\d+) kB", text):
                self.peak = max(self.peak, int(found[1]) * 1024)
