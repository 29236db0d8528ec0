"""What real containers log, as objects in a bucket, across a stop and a kill of the agent."""

from __future__ import annotations

import gzip
import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.testing.agent_process import AgentProcess
from pipeline.testing.private_engine import PrivateEngine
from tests.servers.s3 import KEYS, S3Server, s3, s3_server

__all__ = ["s3", "s3_server"]

LINES = 10_000
SCRIPT = f"seq 0 {LINES - 1} | sed 's/^/line /'; sleep 600"
CONFIG = """
[logs]
start = "beginning"
containers = 'name == "archived"'
[stats]
every = "off"
[events]
enabled = false
[sinks.archive]
type = "s3"
bucket = "logs"
endpoint = "{url}"
path_style = true
access_key_id = "{access_key_id}"
secret_access_key = "{secret_access_key}"
compression = "gzip"
batch = {{ bytes = "256KiB", linger = "1s" }}
"""


@pytest.fixture
def archived(engine: PrivateEngine, busybox: str) -> Iterator[PrivateEngine]:
    yield engine
    engine.docker("rm", "--force", "archived")


def stored(server: S3Server) -> list[int]:
    bodies = [gzip.decompress(server.body(key)) for key in server.objects()]
    messages = [json.loads(line)["message"] for body in bodies for line in body.splitlines()]
    return sorted(int(message.split()[1]) for message in messages)


@pytest.mark.server
def test_every_line_is_in_one_object_though_the_agent_is_killed_and_stopped(
    archived: PrivateEngine, busybox: str, s3: S3Server, tmp_path: Path
) -> None:
    run = ("run", "--detach", "--network", "none", "--name", "archived", busybox)
    archived.docker(*run, "sh", "-c", SCRIPT)
    config = CONFIG.format(url=s3.url, **KEYS)
    with AgentProcess(tmp_path, archived.url, config) as agent:
        agent.until(lambda: len(s3.objects()) > 2)
        agent.stop(signal.SIGKILL)
        agent.start()
        agent.connected()  # from then on it listens to signals
        agent.until(lambda: set(stored(s3)) >= set(range(LINES)), "not every line was stored")
        assert agent.stop() == 0
    found = stored(s3)
    # what was in flight replaces its object, unless the kill fell between two that were noted
    assert len(found) - LINES <= 5000
    assert set(found) == set(range(LINES))
