"""`AgentProcess`: the agent as users run it, a process with a configuration file."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from pipeline.testing.ways import chosen

PATIENCE = 120.0
"""Seconds until a wait fails."""

_SHUTDOWN = '\n[agent]\nshutdown = "60s"\n'
"""Added to configurations without `[agent]`. A busy machine may need longer than the default."""

_ENDPOINT = "metrics on http"


def whole_lines(path: Path) -> list[str]:
    """The complete lines of a file that may still be written to. Empty if there is no file."""
    text = path.read_text(errors="replace") if path.exists() else ""
    return text[: text.rfind("\n") + 1].splitlines()


def whole_entries(path: Path) -> list[Any]:
    """The entries in a file that a `file` sink writes. Lines that were cut short by a kill are left
    out."""
    found = []
    for line in whole_lines(path):
        with suppress(json.JSONDecodeError):
            found.append(json.loads(line))
    return found


class AgentProcess:
    """A process of `dockline run`, as a context manager. Its output goes to files next to its
    configuration.

    At the end of the `with` block it is killed, unless it has ended.
    """

    def __init__(
        self,
        folder: Path,
        engine: str,
        config: str = "",
        *arguments: str,
        http: bool = True,
        tree: Path | None = None,
    ) -> None:
        """`folder`: for all of its files; created if needed. `engine`: the Engine's URL; empty for
        none. `config`: TOML; `[engine]`, `[state]`, `[http]` and `[logs]` are added, and `[agent]`
        with a long shutdown unless there is one. `arguments`: more arguments of `dockline run`.
        `http`: whether it has an HTTP endpoint. `tree`: the folder that contains the package, if
        not this one."""
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.config = folder / "dockline.toml"
        self.state = folder / "state"
        self.tree = tree
        """May be changed between two starts."""
        self._engine = engine
        self._listen = "127.0.0.1:0" if http else "off"
        self._arguments = arguments
        self._module: Sequence[str] = ("pipeline",)
        """What Python runs with `-m`, followed by arguments before the command."""
        self.configure(config)
        self._process: subprocess.Popen[bytes] | None = None
        self._starts = 0
        self._said_before = 0

    def configure(self, config: str) -> None:
        """Replaces the configuration file. `config`: as for the constructor."""
        config = config if "[logs]" in config else f"{config}\n[logs]\n"
        if "\nread = " not in config:
            config = config.replace("[logs]", f'[logs]\nread = "{chosen.way}"', 1)
        config = config if "[agent]" in config else config + _SHUTDOWN
        new = self.config.with_suffix(".new")
        engine = f'url = "{self._engine}"' if self._engine else "enabled = false"
        new.write_text(
            f'[engine]\n{engine}\n[state]\ndirectory = "{self.state}"\n'
            f'[http]\nlisten = "{self._listen}"\n{config}'
        )
        new.replace(self.config)

    def __enter__(self) -> AgentProcess:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def start(self) -> None:
        """Starts the process. Can be called again after it has ended."""
        self._starts += 1
        self._said_before = len(self.said) if self._starts > 1 else 0
        with (self.folder / "out").open("ab") as out, (self.folder / "err").open("ab") as err:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    *self._module,
                    "run",
                    "-c",
                    str(self.config),
                    *self._arguments,
                ],
                cwd=self.tree,  # `python -m` looks for modules there first
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            )

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The process that was started last."""
        assert self._process is not None
        return self._process

    @property
    def said(self) -> str:
        """Its standard error, of all starts."""
        return (self.folder / "err").read_text(errors="replace")

    @property
    def output(self) -> list[str]:
        """The complete lines of its standard output."""
        return whole_lines(self.folder / "out")

    @property
    def entries(self) -> list[dict[str, object]]:
        """The lines of its standard output, parsed as JSON."""
        return [json.loads(line) for line in self.output]

    def reload(self, config: str) -> None:
        """Replaces the configuration, sends SIGHUP, and waits until the agent has reloaded."""
        before = self.said.count("reloaded ")
        self.configure(config)
        self.process.send_signal(signal.SIGHUP)
        self.until(lambda: self.said.count("reloaded ") > before, "it was not reloaded")

    def stop(self, number: int = signal.SIGTERM, timeout: float = PATIENCE) -> int:
        """Sends a signal and waits for the end. Returns the exit status.

        `timeout`: seconds. Raises `subprocess.TimeoutExpired`.
        """
        self.process.send_signal(number)
        return self.process.wait(timeout)

    @property
    def token(self) -> str:
        """The token of its HTTP endpoint, from its state directory."""
        return (self.state / "token").read_text().strip()

    def get(self, path: str) -> tuple[int, str]:
        """Sends `GET path` with the token to its HTTP endpoint. Returns status and body."""
        return self.ask("GET", path, {"Authorization": f"Bearer {self._token()}"})

    def post(self, path: str, **headers: str) -> tuple[int, str]:
        """Sends `POST path` with the token and `headers` to its HTTP endpoint. Returns status and
        body."""
        return self.ask("POST", path, {"Authorization": f"Bearer {self._token()}", **headers})

    def _token(self) -> str:
        self.address  # noqa: B018 - waits: once there is an address, there is a token
        return self.token

    def ask(self, method: str, path: str, headers: dict[str, str]) -> tuple[int, str]:
        """Sends a request to its HTTP endpoint with just these headers. Returns status and body."""
        url = f"http://{self.address}{path}"
        request = urllib.request.Request(url, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    @property
    def address(self) -> str:
        """Host and port of its HTTP endpoint, from its log. Waits until it listens."""
        self.until(lambda: self.said.count(_ENDPOINT) == self._starts, "no HTTP endpoint")
        return self.said.rpartition(_ENDPOINT)[2].partition("://")[2].partition("/")[0]

    def metric(self, sample: str) -> float | None:
        """The value of a sample on `/metrics`; None if it isn't there.

        `sample`: name and labels as on the page, such as
        `dockline_received_entries_total{container="web"}`.
        """
        for line in self.get("/metrics")[1].splitlines():
            if line.startswith(sample + " "):
                return float(line.rpartition(" ")[2])
        return None

    def connected(self) -> None:
        """Waits until it is connected to the Engine, since it was last started."""
        self.until(lambda: "connected to " in self.said[self._said_before :], "not connected")

    def until(
        self, holds: Callable[[], object], what: str | Callable[[], object] = "it did not happen"
    ) -> None:
        """Waits until `holds()` is true. Fails after `PATIENCE` seconds, or when the agent has
        ended, with the agent's log.

        `what`: the message of the failure, or what returns it then. A slow `holds` is called less
        often, since receivers run in threads of this process and would have to wait for it.
        """
        began = time.monotonic()
        deadline = began + PATIENCE
        while not holds():
            now, ended = time.monotonic(), self.process.poll()
            if (ended is not None and not holds()) or now > deadline:
                why = what if isinstance(what, str) else what()
                raise AssertionError(f"{why}; exit {ended}; the agent said:\n{self.said[-4000:]}")
            time.sleep(min(max(0.02, 5 * (now - began)), 1.0))
            began = time.monotonic()
