"""Real containers that say what a test has them say, and one agent that reads them all."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from pipeline.testing.agent_process import AgentProcess
from pipeline.testing.private_engine import PrivateEngine
from tests.servers.ports import free_port

CONFIG = """
[logs]
reconcile = "1s"
[stats]
every = "1s"

[sinks.store]
type = "file"
path = "{folder}/store.jsonl"
[sinks.papertrail]
type = "papertrail"
address = "tcp://127.0.0.1:{down}"
buffer = {{ memory = "64KiB", when_full = "drop_newest" }}

[routes.all]
containers = 'not name.startswith("noise-")'
stages = [
  {{ join = "python" }},
  {{ parse = "auto" }},
  {{ level = "auto" }},
  {{ drop = 'path == "/health"' }},
]
to = ["store", "route:errors"]

[routes.errors]
stages = [{{ keep = "level in ('error', 'critical')" }}]
to = ["papertrail"]
"""
"""One sink that works, and one that nothing listens for."""

COMPOSE = "com.docker.compose"


class House:
    """As a context manager. Its containers are removed at the end."""

    def __init__(self, engine: PrivateEngine, folder: Path) -> None:
        self.engine = engine
        self._fifos = engine.directory / f"house-{folder.name}"
        self._pipes: dict[str, int] = {}
        self._names: list[str] = []
        self._numbers = itertools.count(1)
        config = CONFIG.format(folder=folder, down=free_port())
        self.agent = AgentProcess(folder / "agent", engine.url, config)

    def __enter__(self) -> House:
        self._fifos.mkdir(parents=True)
        self.agent.start()
        self.agent.connected()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.agent.__exit__(kind, error, traceback)
        self.remove(*self._names)
        for pipe in self._pipes.values():
            os.close(pipe)

    def runs(
        self, service: str, *options: str, project: str = "shop", labels: Mapping[str, str] = {}
    ) -> str:
        """A container that says what `say` has it say. Returns its name, which is no other's."""
        name = self._name(project, service)
        for end in ("out", "err"):
            os.mkfifo(self._fifos / f"{name}.{end}")
            self._pipes[f"{name}.{end}"] = os.open(self._fifos / f"{name}.{end}", os.O_RDWR)
        copy = f"cat /fifos/{name}.err >&2 & exec cat /fifos/{name}.out"
        mount = ("--volume", f"{self._fifos}:/fifos:ro")
        return self.starts(name, copy, *mount, *options, project=project, labels=labels)

    def starts(
        self,
        name: str,
        command: str,
        *options: str,
        project: str = "shop",
        labels: Mapping[str, str] = {},
    ) -> str:
        """A container with a command of its own, that the agent knows when this returns."""
        marks = {f"{COMPOSE}.project": project, f"{COMPOSE}.service": name.split("-")[1], **labels}
        labelled = [word for key, text in marks.items() for word in ("--label", f"{key}={text}")]
        self._names.append(name)
        self.engine.docker(
            "run", "--detach", "--name", name, "--network", "none", *labelled, *options,
            "busybox:local", "sh", "-c", command,
        )  # fmt: skip
        self.agent.until(lambda: f'"{name}"' in self.agent.get("/api/containers")[1])
        return name

    def _name(self, project: str, service: str) -> str:
        return f"{project}-{service}-{next(self._numbers)}"

    def say(self, name: str, *lines: str, stream: int = 1) -> None:
        """It writes these lines to standard output (1) or standard error (2)."""
        text = "".join(f"{line}\n" for line in lines).encode()
        os.write(self._pipes[f"{name}.{'err' if stream == 2 else 'out'}"], text)

    def remove(self, *names: str) -> None:
        if names:
            self.engine.docker("rm", "--force", *names)
            self._names = [name for name in self._names if name not in names]
