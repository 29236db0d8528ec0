"""Containers whose labels or tags are many times their lines cost the agent little memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.destinations import discard, listening
from benchmarks.labels import KINDS, high_water
from pipeline.testing.agent_process import AgentProcess
from pipeline.testing.private_engine import PrivateEngine

LINES = {"labels": 1_500, "tags": 10_000}
"""Written out with what each has, 150 MB and 160 MB; as one batch it took two or three times as
much memory."""
MOST_MEMORY = 150
"""MiB. Measured: 90 to 120."""

CONFIG = """
[logs]
start = "beginning"
read = "{read}"
containers = 'name.startswith("large-")'
[stats]
every = "off"
[sinks.out]
type = "logstash"
address = "tcp://127.0.0.1:{port}"
"""


@pytest.mark.fault(128)
@pytest.mark.parametrize("read", ["api", "file"])
def test_large_labels_and_many_tags_on_empty_lines_take_little_memory(
    engine: PrivateEngine, busybox: str, tmp_path: Path, read: str
) -> None:
    names = [f"large-{kind}" for kind in LINES]
    for kind, lines in LINES.items():
        file = tmp_path / kind
        file.write_text("".join(f"{key}={text}\n" for key, text in KINDS[kind].labels.items()))
        engine.docker(
            "run", "--detach", "--name", f"large-{kind}", "--network", "none", "--label-file",
            str(file), busybox, "sh", "-c", f"yes '' | head -n {lines}; exec sleep 99999",
        )  # fmt: skip
    try:
        with listening(discard) as port:
            agent = AgentProcess(
                tmp_path / "agent", engine.url, CONFIG.format(read=read, port=port)
            )
            with agent:
                delivered = 'dockline_delivered_entries_total{sink="out"}'
                agent.until(lambda: agent.metric(delivered) == sum(LINES.values()))
                assert high_water(agent.process.pid) < MOST_MEMORY
                assert agent.stop() == 0
                assert "Traceback" not in agent.said
    finally:
        engine.docker("rm", "--force", *names)
