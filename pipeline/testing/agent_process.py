"""The agent as users run it: a process with a configuration file."""

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
"""Seconds until what a test waits for counts as not happening."""

_SHUTDOWN = '\n[agent]\nshutdown = "60s"\n'
"""Where a test says nothing of it. A busy machine may take longer than users would wait."""

_ENDPOINT = "metrics on http://"


def whole_lines(path: Path) -> list[str]:
    """Of a file that is being written: without one that has not ended yet. None of no file."""
    text = path.read_text(errors="replace") if path.exists() else ""
    return text[: text.rfind("\n") + 1].splitlines()


def whole_entries(path: Path) -> list[Any]:
    """Of a file that a `file` sink writes. A line that a kill has cut short stands alone in it,
    and is none."""
    found = []
    for line in whole_lines(path):
        with suppress(json.JSONDecodeError):
            found.append(json.loads(line))
    return found


class AgentProcess:
    """`dockline run` from `with` to its end, with its output in files beside the configuration.

    `config` is TOML; `[engine]`, `[state]` and `[http]` are added to it, and a patient `[agent]`
    where it has none.
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
        """`engine`: its URL; empty for none. `arguments`: further ones of `dockline run`. `tree`:
        the folder that has the package, where it is not this one."""
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
        """What Python runs, and what comes before the command."""
        self.configure(config)
        self._process: subprocess.Popen[bytes] | None = None
        self._starts = 0
        self._said_before = 0

    def configure(self, config: str) -> None:
        """Puts another file in the place of the configuration."""
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
                cwd=self.tree,  # whose modules come before all others
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            )

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    @property
    def said(self) -> str:
        """What it has written to standard error."""
        return (self.folder / "err").read_text(errors="replace")

    @property
    def output(self) -> list[str]:
        """Lines of its standard output, as far as they are whole."""
        return whole_lines(self.folder / "out")

    @property
    def entries(self) -> list[dict[str, object]]:
        """Its standard output, as the JSON lines that it should be."""
        return [json.loads(line) for line in self.output]

    def reload(self, config: str) -> None:
        """Gives it another configuration, and waits until it has it."""
        before = self.said.count("reloaded ")
        self.configure(config)
        self.process.send_signal(signal.SIGHUP)
        self.until(lambda: self.said.count("reloaded ") > before, "it was not reloaded")

    def stop(self, number: int = signal.SIGTERM, timeout: float = PATIENCE) -> int:
        """Sends a signal and waits for the end; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout)

    @property
    def token(self) -> str:
        """What its HTTP endpoint asks for, as it keeps it."""
        return (self.state / "token").read_text().strip()

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of `GET path` on its HTTP endpoint, with its token."""
        return self.ask("GET", path, {"Authorization": f"Bearer {self._token()}"})

    def post(self, path: str, **headers: str) -> tuple[int, str]:
        """The same for `POST path`."""
        return self.ask("POST", path, {"Authorization": f"Bearer {self._token()}", **headers})

    def _token(self) -> str:
        self.address  # noqa: B018 - once it has that, it has a token
        return self.token

    def ask(self, method: str, path: str, headers: dict[str, str]) -> tuple[int, str]:
        """The same with these headers alone."""
        url = f"http://{self.address}{path}"
        request = urllib.request.Request(url, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    @property
    def address(self) -> str:
        """Of its HTTP endpoint, from its log."""
        self.until(lambda: self.said.count(_ENDPOINT) == self._starts, "no HTTP endpoint")
        return self.said.rpartition(_ENDPOINT)[2].partition("/")[0]

    def metric(self, sample: str) -> float | None:
        """The value of a line of `/metrics`, given up to its value."""
        for line in self.get("/metrics")[1].splitlines():
            if line.startswith(sample + " "):
                return float(line.rpartition(" ")[2])
        return None

    def connected(self) -> None:
        """Waits until it has reached the Engine since it was started last."""
        self.until(lambda: "connected to " in self.said[self._said_before :], "not connected")

    def until(self, holds: Callable[[], object], what: str = "it did not happen") -> None:
        """Waits for something to become true; fails, with the agent's log, after `PATIENCE`.

        What takes long to look at is looked at less often: the receivers of a test are threads of
        the same process, and would wait for that.
        """
        began = time.monotonic()
        deadline = began + PATIENCE
        while not holds():
            now, ended = time.monotonic(), self.process.poll()
            if (ended is not None and not holds()) or now > deadline:
                raise AssertionError(f"{what}; exit {ended}; the agent said:\n{self.said[-4000:]}")
            time.sleep(min(max(0.02, 5 * (now - began)), 1.0))
            began = time.monotonic()
