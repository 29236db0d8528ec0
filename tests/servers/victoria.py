"""A real VictoriaLogs and a real VictoriaMetrics, on free ports of the loopback.

VictoriaLogs is built once from Debian's sources, with Debian's Go; the program is kept in the
user's cache.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.model.component import Secret
from tests.servers.daemon import Daemon, eventually
from tests.servers.ports import free_port

_SOURCE = "github.com/VictoriaMetrics/VictoriaMetrics/app/victoria-logs"
_GOPATH = Path("/usr/share/gocode")


def victoria_logs() -> Path:
    """The program, made anew where Debian's source is newer."""
    source = _GOPATH / "src" / _SOURCE
    if not source.exists() or not shutil.which("go"):
        pytest.skip("VictoriaLogs cannot be built: `make packages` installs its sources and Go")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dockline-tests"
    cache.mkdir(parents=True, exist_ok=True)
    program = cache / "victoria-logs"
    with (cache / "victoria-logs.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of several that run tests, one builds it
        if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
            _build(program)
    return program


def _build(program: Path) -> None:
    new = program.with_suffix(".new")
    environment = os.environ | {
        "GO111MODULE": "off",
        "GOPATH": str(_GOPATH),
        "GOCACHE": str(program.parent / "go"),
        "GOFLAGS": "",
    }
    command = ["go", "build", "-o", str(new), _SOURCE]
    subprocess.run(command, check=True, capture_output=True, cwd=new.parent, env=environment)
    new.rename(program)


class VictoriaLogs(Daemon):
    """Takes logs in many protocols under `url`, and is asked with LogsQL."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        command = [
            str(victoria_logs()),
            f"-storageDataPath={directory}/victoria-logs-data",
            f"-httpListenAddr=127.0.0.1:{self.port}",
            "-retentionPeriod=100y",  # tests write of any time
            "-inmemoryDataFlushInterval=1s",
            *options,
        ]
        super().__init__(command, directory, [self.port])
        self.account = 0
        """The tenant that is asked about: none sees what another has."""

    @property
    def headers(self) -> dict[str, Secret]:
        """With these, entries are the tenant's."""
        return {"AccountID": Secret(str(self.account))}

    def query(self, query: str, **parameters: str) -> list[dict[str, Any]]:
        """The entries that LogsQL finds, in the order of their times, all values as text."""
        return self._ask(query=f"{query} | sort by (_time)", limit="1000000", **parameters)

    def stats(self, query: str) -> list[dict[str, Any]]:
        """What a query that ends in `| stats …` gives, in no order."""
        return self._ask(query=query)

    def until(self, query: str, count: int) -> list[dict[str, Any]]:
        """Waits until that many entries are found; what was taken shows after a second or so."""
        found: list[dict[str, Any]] = []

        def enough() -> bool:
            found[:] = self.query(query)
            return len(found) >= count

        eventually(f"{query} finds {count} entries in VictoriaLogs", enough)
        return found

    def _ask(self, **parameters: str) -> list[dict[str, Any]]:
        url, body = f"{self.url}/select/logsql/query", urllib.parse.urlencode(parameters).encode()
        request = urllib.request.Request(url, body, {"AccountID": str(self.account)})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return [json.loads(line) for line in answer.read().splitlines()]


class VictoriaMetrics(Daemon):
    """Takes samples in many protocols under `url`, and is asked with PromQL."""

    def __init__(self, directory: Path, *options: str) -> None:
        if not shutil.which("victoria-metrics"):
            pytest.skip("there is no `victoria-metrics` command: install victoria-metrics")
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        command = [
            "victoria-metrics",
            f"-storageDataPath={directory}/victoria-metrics-data",
            f"-httpListenAddr=127.0.0.1:{self.port}",
            "-retentionPeriod=100y",
            "-search.latencyOffset=0s",
            *options,
        ]
        super().__init__(command, directory, [self.port])

    def series(self, match: str) -> list[dict[str, Any]]:
        """All samples of the series that match: `{"metric": {…}, "values": […], "timestamps": […]}`
        for each, times in milliseconds."""
        self.flush()
        query = urllib.parse.urlencode({"match[]": match})
        with urllib.request.urlopen(f"{self.url}/api/v1/export?{query}", timeout=60) as answer:
            return [json.loads(line) for line in answer.read().splitlines()]

    def flush(self) -> None:
        """Has what was taken show at once."""
        urllib.request.urlopen(f"{self.url}/internal/force_flush", timeout=60).close()

    def forget(self) -> None:
        """All series."""
        self.flush()
        query = urllib.parse.urlencode({"match[]": '{__name__!=""}'})
        path = f"{self.url}/api/v1/admin/tsdb/delete_series?{query}"
        urllib.request.urlopen(path, timeout=60).close()


@pytest.fixture
def victorialogs(tmp_path: Path) -> Iterator[VictoriaLogs]:
    """An empty store, which the test may stop."""
    with VictoriaLogs(tmp_path) as server:
        yield server


@pytest.fixture(scope="session")
def victorialogs_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VictoriaLogs]:
    """One for all tests. It takes lines as long as the hostile ones."""
    directory = tmp_path_factory.mktemp("victoria-logs")
    with VictoriaLogs(directory, "-insert.maxLineSizeBytes=1MiB") as server:
        yield server


@pytest.fixture
def tenant(victorialogs_server: VictoriaLogs) -> VictoriaLogs:
    """A store shared with other tests, and a tenant in it that has nothing yet. What goes there
    needs its `headers`."""
    victorialogs_server.account += 1
    return victorialogs_server


@pytest.fixture
def victoriametrics(victoriametrics_server: VictoriaMetrics) -> VictoriaMetrics:
    """A store with nothing in it."""
    victoriametrics_server.forget()
    return victoriametrics_server


@pytest.fixture(scope="session")
def victoriametrics_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VictoriaMetrics]:
    """One for all tests."""
    with VictoriaMetrics(tmp_path_factory.mktemp("victoria-metrics")) as server:
        yield server
