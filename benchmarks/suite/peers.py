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
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks.workloads import Read
from pipeline.testing.docker_client import DockerClient
from pipeline.testing.private_engine import PrivateEngine
from tests.servers import syslog_ng

CONFIGS = Path(__file__).parent.parent / "peers"
NAMES, MODULE = "syslog-ng-mod-add-contextual-data", "libadd-contextual-data.so"
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

    def file(self, workload: str) -> Path:
        """Its configuration for a workload in `benchmarks/peers/`, whatever its suffix. It raises
        `LookupError` where there is none."""
        stem = f"{self.name.lower().replace(' ', '-')}-{workload}"
        for file in CONFIGS.glob(f"{stem}.*"):
            return file
        raise LookupError(f"no configuration {stem}")

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
    for name in ("Fluent Bit", "Vector", "Promtail", "Logspout", "Filebeat"):
        absent[name] = "Debian has none"
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
