"""moto's S3 in a process of its own, on a free port of the loopback: it stands for the real one."""

from __future__ import annotations

import os
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.config import Config

from tests.servers.daemon import PATIENCE, Daemon, connections, eventually
from tests.servers.ports import free_port

KEYS = {"access_key_id": "test", "secret_access_key": "test-secret"}


class S3Server(Daemon):
    """Has a bucket `logs`. Asked with botocore itself, which the sink's client is built upon."""

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        environment = {**os.environ, "MOTO_S3_CUSTOM_ENDPOINTS": self.url}
        super().__init__(command, directory, [self.port], environment)

    def start(self) -> None:
        super().start()
        self.client = botocore.session.Session().create_client(
            "s3",
            region_name="us-east-1",
            endpoint_url=self.url,
            aws_access_key_id=KEYS["access_key_id"],
            aws_secret_access_key=KEYS["secret_access_key"],
            config=Config(s3={"addressing_style": "path"}),
        )
        self.client.create_bucket(Bucket="logs")

    def empty(self) -> None:
        """Forgets everything but that there is a bucket, when nobody is connected any more: what
        was sent on a connection that is closed is stored all the same."""
        self.client.close()
        eventually("nobody is connected", lambda: not connections(self.port))
        urllib.request.urlopen(f"{self.url}/moto-api/reset", b"", timeout=PATIENCE).close()
        self.client.create_bucket(Bucket="logs")

    def objects(self) -> list[str]:
        """Their keys, sorted."""
        found = self.client.list_objects_v2(Bucket="logs").get("Contents", [])
        return sorted(item["Key"] for item in found)

    def head(self, key: str) -> dict[str, Any]:
        return self.client.head_object(Bucket="logs", Key=key, ChecksumMode="ENABLED")  # type: ignore[no-any-return]

    def body(self, key: str) -> bytes:
        return self.client.get_object(Bucket="logs", Key=key)["Body"].read()  # type: ignore[no-any-return]


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """One for all tests: it takes seconds to start."""
    with S3Server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def s3(s3_server: S3Server) -> S3Server:
    """An empty store with a bucket `logs`."""
    s3_server.empty()
    return s3_server
