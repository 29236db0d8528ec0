"""A short run on a real Engine: its check finds what was lost on purpose, and nothing else."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from pipeline.testing.private_engine import why_not

pytestmark = pytest.mark.server

pytestmark = [pytest.mark.engine, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
SHORT = ("--seed", "5", "--minutes", "0.2", "--without", "agent", "--without", "engine")


@pytest.fixture
def command() -> Iterator[list[str]]:
    if reason := why_not():
        pytest.skip(reason)
    yield [sys.executable, "-m", "tests.chaos", *SHORT, "--patience", "30"]


def folder_of(output: str) -> Path:
    found = re.search(r"what there is to see is in (\S+)", output)
    assert found, output
    return Path(found[1])


def engine_of(folder: Path) -> Path:
    config = (folder / "agent/dockline.toml").read_text()
    return Path(config.split("unix://")[1].split("/docker.sock")[0])


def processes_of(folder: Path) -> Iterator[str]:
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            command = (process / "cmdline").read_text()
            if str(folder) in command + str((process / "cwd").readlink()):
                yield command


def test_a_line_that_a_receiver_forgets_is_called_lost_at_that_sink_and_no_other(
    command: list[str],
) -> None:
    run = subprocess.run(
        [*command, "--drop", "2"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert run.returncode == 1, run.stdout + run.stderr
    folder = folder_of(run.stdout)
    rows = dict(re.findall(r"\| (\w+) \| [\d,]+ \| ([\d,]+) \|", run.stdout))
    assert (rows["syslog"], rows["spooled"]) == ("0", "0"), run.stdout
    assert rows["logstash"] != "0"
    assert re.findall(r"^(\w+): (?:lost|out|not)", run.stdout, re.M).count("logstash") > 0
    assert all((folder / name).exists() for name in ("plan", "course", "figures.md", "wrong.json"))
    assert not engine_of(folder).exists()
    shutil.rmtree(folder)


def test_an_interrupted_run_leaves_nothing_running_and_says_where_its_folder_is(
    command: list[str],
) -> None:
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    first = process.stdout.readline()
    course = Path(first.split("see ")[1].split("/plan")[0]) / "course"
    deadline = time.monotonic() + 180
    while not (course.exists() and "is over" in course.read_text()):
        assert time.monotonic() < deadline, "no container was started"
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 1
    folder = folder_of(output)
    assert not engine_of(folder).exists()
    assert not list(processes_of(folder))
    shutil.rmtree(folder)
