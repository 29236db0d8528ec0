"""An Engine with a container that has logged a million JSON lines of 142 bytes."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.testing.private_engine import PrivateEngine

LENGTH = 142
NAME = "lines"
SLOW = 250


@contextmanager
def engine_with_lines(count: int) -> Iterator[PrivateEngine]:
    """The container is called `NAME`, and goes on running."""
    with tempfile.TemporaryDirectory() as folder, PrivateEngine() as engine:
        lines = Path(folder) / "lines"
        write_lines(lines, count)
        fill(engine, lines, count)
        yield engine


def write_lines(file: Path, count: int) -> None:
    """JSON lines of exactly `LENGTH` bytes, as a web service logs its requests."""
    with file.open("w") as out:
        for number in range(count):
            out.write(line_of(number))


def line_of(number: int, length: int = LENGTH) -> str:
    """One line with its number in it; `length` bytes and a line feed."""
    duration = number * 7919 % 500
    start = (
        f'{{"ts":"2026-11-24T08:00:00Z","level":"info","seq":{number},'
        f'"path":"/api/items/{number % 10_000}",'
        f'"status":{500 if number % 10 == 0 and duration < SLOW else 200},'
        f'"duration_ms":{duration},"user":"'
    )
    return start + "u" * (length - len(start) - 2) + '"}\n'


def is_kept(number: int) -> bool:
    """Whether the line has status 200 and takes 250 ms or more, as half of them do."""
    return number * 7919 % 500 >= SLOW


def fill(engine: PrivateEngine, lines: Path, count: int) -> None:
    """A running container that has logged the lines."""
    image = engine.import_busybox()
    engine.docker(
        "run", "--detach", "--network", "none", "--name", NAME, "--volume", f"{lines}:/lines:ro",
        image, "sh", "-c", "cat /lines; touch /done; sleep 1000000",
    )  # fmt: skip
    while "done" not in engine.docker("exec", NAME, "ls", "/"):
        time.sleep(1)
    log = engine.docker("inspect", "--format", "{{.LogPath}}", NAME)
    # Not read here: the peak memory of a child begins with that of its parent.
    while int(subprocess.check_output(["wc", "-l", log]).split()[0]) < count:
        time.sleep(1)


def cpu_of(pid: int) -> float:
    """Seconds that a process has used, its ended children not included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
