"""A real Redis server on a free port of the loopback, with what a test wants to read back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.servers.daemon import PATIENCE, Daemon, eventually
from tests.servers.ports import free_port


class RedisServer(Daemon):
    """Keeps nothing on the disk unless `options` say so (`"--appendonly", "yes"`)."""

    def __init__(
        self, directory: Path, *options: str, port: int | None = None, sentinel: bool = False
    ) -> None:
        if not shutil.which("redis-server"):
            pytest.skip("there is no `redis-server` command: install redis-server")
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.port = port or free_port()
        self.socket = str(directory / "redis.sock")
        command = ["redis-server"]
        if sentinel:
            config = directory / "sentinel.conf"
            config.write_text("")
            command += [str(config), "--sentinel"]
        else:
            command += ["--save", "", "--unixsocket", self.socket]
            command += ["--repl-diskless-sync-delay", "0"]  # no seconds for further replicas
        command += ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(directory)]
        super().__init__([*command, *options], directory, [self.port])

    @property
    def address(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        super().start()
        eventually("redis-server has loaded its data", self._has_loaded)

    def _has_loaded(self) -> bool:
        try:
            self("PING")
        except redis.AuthenticationError:  # one of its ConnectionErrors
            pass
        except (redis.BusyLoadingError, redis.ConnectionError):
            return False
        return True

    def __call__(self, *command: Any, **options: Any) -> Any:
        """Asks it, on a connection of its own."""
        with redis.Redis(port=self.port, socket_timeout=PATIENCE, **options) as client:
            return client.execute_command(*command)

    def empty(self) -> None:
        """Forgets all that it has, in all databases, when nobody is connected any more: what was
        sent on a connection that is closed is taken all the same."""
        eventually("nobody is connected", lambda: self._clients() == 1)
        self("FLUSHALL", "SYNC")

    def _clients(self) -> int:
        """How many there are, the one that asks included."""
        with redis.Redis(port=self.port, socket_timeout=PATIENCE) as client:
            return len(client.client_list())

    def entries(self, stream: str = "dockline", **options: Any) -> list[dict[str, str]]:
        """All entries of a stream, as fields."""
        with redis.Redis(port=self.port, decode_responses=True, **options) as client:
            found: list[tuple[str, dict[str, str]]] = client.xrange(stream)
            return [fields for _, fields in found]

    def messages(self, stream: str = "dockline", **options: Any) -> list[str]:
        return [json.loads(one["json"])["message"] for one in self.entries(stream, **options)]


def has_replicas(server: RedisServer, count: int) -> None:
    """Waits until so many replicas are in step."""
    eventually(f"{count} replicas", lambda: server("WAIT", count, 100) >= count)


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One for all tests, which `empty` it."""
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server
