"""The agents that dockline is held against, set up as those who know them would.

Their configuration is in `benchmarks/peers/`, one file for each workload, with `@PORT@` and the
like for what is known only when they run. A peer that is not on the machine is left out, and the
report says so.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from benchmarks.workloads import Read
from pipeline.testing.docker_client import DockerClient
from pipeline.testing.private_engine import PrivateEngine
from tests.servers import syslog_ng

CONFIGS = Path(__file__).parent.parent / "peers"
NAMES, MODULE = "syslog-ng-mod-add-contextual-data", "libadd-contextual-data.so"
BY_PATH = {
    "Fluent Bit": ("PEER_FLUENT_BIT", ("-c", "@CONFIG@")),
    "Vector": ("PEER_VECTOR", ("--config", "@CONFIG@")),
}
"""Programs that Debian has not: the variable with the path of each, and its options."""
PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin:/sbin"])


@dataclass(frozen=True)
class Peer:
    """One program, and one way in which it reads."""

    name: str
    read: Read
    command: tuple[str, ...]
    """With `@CONFIG@` and `@FOLDER@`."""
    version: str
    libraries: str = ""
    names: bool = True
    """Whether it knows the containers' names, of which there may be many."""

    def has(self, workload: str) -> bool:
        """Whether there is a configuration of it for a workload."""
        return any(CONFIGS.glob(f"{self._stem(workload)}.*"))

    def file(self, workload: str) -> Path:
        """Its configuration for a workload in `benchmarks/peers/`, whatever its suffix. It raises
        `LookupError` where there is none."""
        for file in CONFIGS.glob(f"{self._stem(workload)}.*"):
            return file
        raise LookupError(f"no configuration {self._stem(workload)}")

    def _stem(self, workload: str) -> str:
        return f"{self.name.lower().replace(' ', '-')}-{workload}"

    def configuration(self, workload: str) -> str:
        """As the file in `benchmarks/peers/` has it."""
        return self.file(workload).read_text()

    @property
    def environment(self) -> dict[str, str]:
        return {"LD_LIBRARY_PATH": self.libraries} if self.libraries else {}

    def prepare(
        self, engine: PrivateEngine, folder: Path, workload: str, ports: Sequence[int], of: str
    ) -> Sequence[str]:
        """They read every container there is; `of` has to be the only one."""
        containers = engine.directory / "data" / "containers"
        file = self.file(workload)
        config = folder / f"peer{file.suffix}"
        values = {
            "FOLDER": str(folder),
            "PORT": str(ports[0]),
            "SOCKET": engine.url.removeprefix("unix://"),
            "CONTAINERS": str(containers),
            "DEPTH": str(len(containers.parts) + 1),
            "CONFIG": str(config),
        }
        config.write_text(_filled(file.read_text(), values))
        _write_names(engine, folder)
        return tuple(_filled(word, values) for word in self.command)


def _filled(text: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text


def _write_names(engine: DockerClient, folder: Path) -> None:
    """The containers' names by their ids, as each of the peers wants to have them."""
    listed = engine.docker("ps", "--no-trunc", "--format", "{{.ID}} {{.Names}}").splitlines()
    names = dict(line.split() for line in listed)
    table = [{"index": one, "value": name} for one, name in names.items()]
    (folder / "names.json").write_text(
        json.dumps({"version": 1, "nomatch": "unknown", "type": "string", "table": table})
    )
    rows = [f"{one},container.name,{name}\n" for one, name in names.items()]
    (folder / "names.csv").write_text("".join(rows))


def found() -> tuple[list[Peer], dict[str, str]]:
    """The peers that this machine has; and why others are left out, by name."""
    peers: list[Peer] = []
    absent = {}
    if rsyslogd := shutil.which("rsyslogd", path=PATH):
        version = _said(rsyslogd, "-v").split("(")[0].strip()
        command = (rsyslogd, "-n", "-f", "@CONFIG@", "-i", "@FOLDER@/pid")
        if any(Path("/usr/lib").glob("*/rsyslog/imdocker.so")):
            peers.append(Peer("rsyslog imdocker", "api", command, version))
        else:
            absent["rsyslog imdocker"] = "rsyslog-docker is not installed"
        peers.append(Peer("rsyslog imfile", "file", command, version))
    else:
        absent["rsyslog"] = "it is not installed"
    try:
        ng = syslog_ng.find()
        options = _with_names(ng.options)
    except (pytest.skip.Exception, subprocess.CalledProcessError) as reason:
        absent["syslog-ng"] = str(reason)
    else:
        command = (
            ng.binary, "-F", "--no-caps", *options, "-f", "@CONFIG@",
            "-R", "@FOLDER@/persist", "-c", "@FOLDER@/control", "--pidfile", "@FOLDER@/pid",
        )  # fmt: skip
        environment = {"LD_LIBRARY_PATH": ng.libraries}
        said = _said(ng.binary, "--version", environment=environment)
        peers.append(Peer("syslog-ng", "file", command, said, ng.libraries))
    by_path, not_given = given("w1", "w2", "w3", "w4")
    for name in ("Promtail", "Logspout", "Filebeat"):
        absent[name] = "Debian has none"
    return [*peers, *by_path], absent | not_given


def given(*workloads: str) -> tuple[list[Peer], dict[str, str]]:
    """The peers whose program is given by its path, and that have a configuration for any of these
    workloads; and why others are left out, by name."""
    peers, absent = [], {}
    for name, (variable, options) in BY_PATH.items():
        program = os.environ.get(variable, "")
        peer = Peer(name, "file", (program, *options), "", names=False)
        if not program:
            absent[name] = f"`{variable}` was not set"
        elif not any(map(peer.has, workloads)):
            absent[name] = "`benchmarks/peers/` has no configuration of it"
        else:
            peers.append(replace(peer, version=_said(program, "--version")))
    return peers, absent


def _with_names(options: tuple[str, ...]) -> list[str]:
    """syslog-ng's options, with the module that knows a container's name by its id, which Debian
    has as a package of its own; it is unpacked where syslog-ng itself was."""
    found = []
    for option in options:
        if option.startswith("--module-path="):
            folder = Path(option.partition("=")[2])
            if not (folder / MODULE).exists():
                _unpack(NAMES, folder)
        found.append(option)
    return found


def _unpack(package: str, modules: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for command in (["apt-get", "-q", "download", package], ["sh", "-c", "dpkg -x *.deb ."]):
            subprocess.run(command, cwd=folder, check=True, capture_output=True)
        (module,) = Path(folder).glob(f"usr/lib/syslog-ng/*/{MODULE}")
        shutil.copy(module, modules)


def _said(*command: str, environment: dict[str, str] | None = None) -> str:
    """The first line of what a program says, or why it does not run."""
    environment = {**os.environ, **(environment or {})}
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    return ((ran.stdout or ran.stderr).splitlines() or [f"exit {ran.returncode}"])[0]
