"""The agent as the demo runs it: a process of its own, `dockline run`."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families as families

from demo.config import configuration
from demo.ports import bindable
from pipeline.observe import token

DEFAULT_PORT = 9114


class Agent:
    """`dockline run`, its logs on our own standard output. A context manager.

    It also ends when the demo is killed.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        folder: Path,
        *,
        engine: str,
        store: str,
        everything: bool = False,
    ) -> None:
        """`environment`: its variables. `folder`: for its configuration and its state. `engine`,
        `store`: addresses. `everything`: follow all containers, not only the demo's own."""
        self.address = f"127.0.0.1:{bindable(DEFAULT_PORT)}"
        self._environment = environment
        self.config = folder / "dockline.toml"
        state = folder / "state"
        state.mkdir(mode=0o700)
        self.page = f"http://{self.address}/#token={token.kept(state)}"
        """The address of its page, with the token that it finds in its state directory."""
        text = configuration(
            engine=engine, state=state, listen=self.address, store=store, everything=everything
        )
        self.config.write_text(text)

    def __enter__(self) -> Agent:
        with_us = ["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv") else []
        self.process = subprocess.Popen(
            [*with_us, sys.executable, "-m", "pipeline", "run", "-c", str(self.config)],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for us; the agent is stopped in order
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()

    def figures(self) -> str:
        """A table of what `/metrics` says about containers, and what the agent itself uses. Raises
        `OSError`."""
        with urlopen(f"http://{self.address}/metrics", timeout=5) as answer:
            text = answer.read().decode()
        lines = _by_container(text, "dockline_received_entries_total", "container")
        memory = _by_container(text, "container_memory_working_set_bytes", "name")
        cpu = _by_container(text, "container_cpu_usage_seconds_total", "name")
        rows = [f"  {'container':<30}{'lines':>8}{'memory':>12}{'CPU':>10}"]
        for name in sorted(lines):
            used = f"{memory[name] / 2**20:.1f} MiB" if name in memory else "-"
            spent = f"{cpu[name]:.2f} s" if name in cpu else "-"
            rows.append(f"  {name:<30}{lines[name]:>8.0f}{used:>12}{spent:>10}")
        used, spent = self._usage()
        rows.append(f"  {'dockline itself':<30}{'':>8}{used:>12}{spent:>10}")
        return "\n".join(rows)

    def _usage(self) -> tuple[str, str]:
        """Memory and CPU of its process, as Linux tells."""
        process = Path(f"/proc/{self.process.pid}")
        pages = int((process / "statm").read_text().split()[1])
        user, system = (process / "stat").read_text().rsplit(")", 1)[1].split()[11:13]
        seconds = (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
        return f"{pages * os.sysconf('SC_PAGESIZE') / 2**20:.1f} MiB", f"{seconds:.2f} s"


def _by_container(text: str, metric: str, label: str) -> dict[str, float]:
    """The sum of a metric's samples for each value of a label."""
    sums: dict[str, float] = {}
    for family in families(text):
        for sample in family.samples:
            if sample.name == metric:
                name = sample.labels.get(label, "")
                sums[name] = sums.get(name, 0) + sample.value
    return sums
