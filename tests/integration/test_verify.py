"""What an agent has stored is verified; what was taken out of it or put in twice is found."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli import main
from pipeline.testing.agent_process import AgentProcess
from pipeline.testing.private_engine import PrivateEngine

COUNT = 5000
SAYS = f"seq 1 {COUNT}; sleep 1"
"""A busy Engine can lose all that a container of some milliseconds wrote (explain/engine.md)."""
NAMES = ("verify-one", "verify-two")
CONFIG = """
[stats]
every = "off"
[logs]
containers = 'name.startswith("verify-")'
[sinks.store]
type = "file"
path = "{store}"
"""


@pytest.fixture
def clean(engine: PrivateEngine) -> Iterator[None]:
    yield
    engine.docker("rm", "--force", *NAMES)


@pytest.mark.usefixtures("clean")
def test_a_line_taken_out_and_a_line_put_in_twice_are_found_and_nothing_else(
    engine: PrivateEngine, busybox: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "store.json"
    with AgentProcess(tmp_path / "agent", engine.url, CONFIG.format(store=store)) as agent:
        agent.connected()
        for name in NAMES:
            run = ("run", "--detach", "--network", "none", "--name", name, busybox)
            engine.docker(*run, "sh", "-c", SAYS)
        delivered = 'dockline_delivered_entries_total{sink="store"}'
        agent.until(lambda: agent.metric(delivered) == 2 * COUNT, "not every line came")
        assert agent.stop() == 0
    assert main(["audit", "--verify", str(store)]) == 0
    assert "total: 2 containers, 10,000 entries; complete" in capsys.readouterr().out

    lines = store.read_text().splitlines(keepends=True)
    out, twice = (next(at for at, line in enumerate(lines) if _is(line, *what)) for what in PLACES)
    lines[out] = lines[twice]
    store.write_text("".join(lines))
    assert main(["audit", "--json", "--verify", str(store)]) == 1
    one, two = json.loads(capsys.readouterr().out)["containers"]
    assert (one["missing"], one["gaps"][0]["first"], one["repeats"]) == (1, 1234, [])
    assert (two["gaps"], two["repeated"], two["repeats"]) == (
        [],
        1,
        [{"first": 4321, "last": 4321}],
    )
    assert one["gaps"][0]["after"] <= one["gaps"][0]["before"]


PLACES = (("verify-one", 1234), ("verify-two", 4321))
"""The one that is taken out, and the one that is put in twice: number N is what `seq` wrote."""


def _is(line: str, name: str, number: int) -> bool:
    entry: dict[str, Any] = json.loads(line)
    return entry["container"]["name"] == name and entry["message"] == str(number)
