"""How many of the containers that live for a moment are read whole, with and without `--rm`.

    python -m benchmarks.short_lived [--write]

Each prints one line and ends, some 5 ms after it has begun. Without `--rm` the Engine keeps the
line until the container is removed; with it, the log is gone a few tens of milliseconds later. They
are started one after the other, ten and fifty at once, beside a running agent.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pipeline.testing.agent_process import AgentProcess
from pipeline.testing.private_engine import PrivateEngine

RUNS = ((1, 60), (10, 100), (50, 200))
"""Started at once, and in all."""
PATIENCE = 20.0
"""Seconds after the last has ended until what has not come counts as missed."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--write", action="store_true", help="keep the figures in results/")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, PrivateEngine() as engine:
        engine.import_busybox()
        with AgentProcess(Path(folder), engine.url, '[stats]\nevery = "off"\n') as agent:
            agent.connected()
            rows = [
                f"| {option or 'kept'} | {at_once} "
                f"| {caught(engine, agent, option, at_once, count)} of {count} |"
                for option in ("", "--rm")
                for at_once, count in RUNS
            ]
        version = engine.docker("version", "--format", "{{.Server.Version}}")
    python = platform.python_version()
    text = "\n".join(
        [
            f"Engine {version}, CPython {python}, {os.cpu_count()} cores",
            "",
            "| container | at once | read whole |",
            "|---|---|---|",
            *rows,
        ]
    )
    print(text)
    if arguments.write:
        file = Path(__file__).parent / "results" / "short_lived.md"
        file.write_text(f"# Containers that live for a moment\n\n{text}\n")


def caught(
    engine: PrivateEngine, agent: AgentProcess, option: str, at_once: int, count: int
) -> int:
    """How many of `count` containers' lines the agent has given."""
    texts = {f"{option}-{at_once}-{number}" for number in range(count)}

    def run(text: str) -> None:
        options = [option] if option else []
        engine.docker("run", *options, "--network", "none", "busybox:local", "echo", text)

    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(run, sorted(texts)))
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        seen = texts & {str(entry["message"]) for entry in agent.entries}
        if len(seen) == count:
            break
        time.sleep(0.5)
    return len(seen)


if __name__ == "__main__":
    main()
