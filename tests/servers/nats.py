"""A real nats-server with JetStream, on a free port of the loopback."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers.certificates import Certificate
from tests.servers.daemon import PATIENCE, Daemon, eventually
from tests.servers.nats_messages import delete
from tests.servers.ports import free_port

_CONFIG = """\
listen: "127.0.0.1:{port}"
http: "127.0.0.1:{monitoring}"
jetstream {{ store_dir: "{store}", max_memory_store: 64MB, max_file_store: 4GB }}
{more}
"""


def current() -> str:
    """The program that tests run: `NATS_SERVER` of the environment, or the one that is installed
    with the development tools, or any."""
    installed = Path(sys.executable).with_name("nats-server")
    default = str(installed) if installed.exists() else shutil.which("nats-server")
    if not (found := os.environ.get("NATS_SERVER", default)):
        pytest.skip("there is no `nats-server`: install the development tools, or nats-server")
    return found


def old() -> str:
    """One of before 2.11, as Debian 13 has it."""
    own = str(Path(sys.executable).parent)
    path = os.pathsep.join(one for one in os.get_exec_path() if one != own)
    found = shutil.which("nats-server", path=path)
    if not found or version_of(found) >= (2, 11):
        pytest.skip("there is no `nats-server` of before 2.11: install Debian's nats-server")
    return found


def version_of(program: str) -> tuple[int, int]:
    said = subprocess.run([program, "--version"], check=True, capture_output=True, text=True)
    found = re.search(r"v([0-9]+)\.([0-9]+)", said.stdout)
    assert found, said.stdout
    return int(found[1]), int(found[2])


class NatsServer(Daemon):
    """Keeps its streams in `directory`, and its ports, over restarts: `kill`, then `start`."""

    def __init__(
        self,
        directory: Path,
        *,
        port: int | None = None,
        tls: Certificate | None = None,
        client_ca: str = "",
        more: str = "",
        program: str = "",
    ) -> None:
        """`program` is that of the server; by default the `current` one. With `client_ca`, clients
        need a certificate of that authority. `more` are further lines of its configuration, such as
        `max_payload: 64KB` or an `authorization` block."""
        self.port, self.monitoring = port or free_port(), free_port()
        self.url = f"{'tls' if tls else 'nats'}://127.0.0.1:{self.port}"
        if tls is not None:
            verified = f'ca_file: "{client_ca}", verify: true' if client_ca else ""
            more += f'\ntls {{ cert_file: "{tls.cert}", key_file: "{tls.key}", {verified} }}'
        directory.mkdir(parents=True, exist_ok=True)
        config, self.store = directory / "nats.conf", directory / "jetstream"
        values = {"port": self.port, "monitoring": self.monitoring, "store": self.store}
        config.write_text(_CONFIG.format(more=more, **values))
        command = [program or current(), "-c", str(config)]
        super().__init__(command, directory, [self.port, self.monitoring])

    def start(self) -> None:
        """Returns when its streams are there again."""
        super().start()
        eventually("nats-server has read its streams", self.healthy)

    def stop(self) -> None:
        """Politely. A server with clients takes its time; one that takes too long is killed."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(PATIENCE)
            finally:
                self.kill()

    def look(self, path: str) -> dict[str, Any]:
        """What it says of itself, such as `jsz?streams=true&config=true` or `connz`."""
        url = f"http://127.0.0.1:{self.monitoring}/{path}"
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
            return json.load(answer)  # type: ignore[no-any-return]

    def empty(self) -> None:
        """Removes its streams, when nobody is connected any more: what was published on a
        connection that is closed is taken all the same. Not for use on an event loop.

        Returns when their files are gone as well. A deleted stream's folder is moved aside, and
        removed later; while it is there, the next stream of its name that is deleted cannot be
        moved, and comes back with its messages as soon as one of that name is made."""
        eventually("nobody is connected", lambda: not self.look("connz")["num_connections"])
        accounts = self.look("jsz?streams=true").get("account_details") or []
        names = [one["name"] for account in accounts for one in account.get("stream_detail") or []]
        for name in names:
            asyncio.run(delete(self.url, name))
        folders = "jetstream/*/streams/*"
        eventually("the files of its streams are gone", lambda: not [*self.store.glob(folders)])

    def stream(self, name: str) -> dict[str, Any] | None:
        """Configuration and state of a stream, `{"config": …, "state": …}`; None without one."""
        query = "jsz?streams=true&config=true&consumers=true"
        for account in self.look(query).get("account_details") or []:
            for stream in account.get("stream_detail") or []:
                if stream["name"] == name:
                    return stream  # type: ignore[no-any-return]
        return None

    def consumers(self, stream: str) -> list[dict[str, Any]]:
        """Those of a stream, `{"name": …, "num_pending": …, "num_ack_pending": …}`."""
        found = self.stream(stream) or {}
        return found.get("consumer_detail") or []

    def healthy(self) -> bool:
        """Whether it has read its streams, and has a leader if it is one of a cluster."""
        try:
            return self.look("healthz").get("status") == "ok"
        except OSError:
            return False


@pytest.fixture(scope="session")
def nats_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """One for all tests, which `empty` it."""
    with NatsServer(tmp_path_factory.mktemp("nats")) as server:
        yield server


@pytest.fixture(scope="session")
def old_nats_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """One of before 2.11, for all tests, which `empty` it."""
    with NatsServer(tmp_path_factory.mktemp("old-nats"), program=old()) as server:
        yield server
