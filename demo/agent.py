"""The agent as the demo runs it: a process of its own, with its embedded defaults."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families as families

from pipeline.observe import token

DEFAULT_PORT = 9114


class Agent:
    """`dockline run`, its logs on our own standard output. A context manager."""

    def __init__(self, environment: Mapping[str, str], directory: Path) -> None:
        self.address = f"127.0.0.1:{_free_port()}"
        self._environment = environment
        self.config = directory / "dockline.toml"
        state = directory / "state"
        state.mkdir(mode=0o700)
        self.page = f"http://{self.address}/#token={token.kept(state)}"
        """The address of its page, with the token that it finds in its state directory."""
        self.config.write_text(
            "# All else is as the agent comes. These are not, so that nothing stays behind and\n"
            "# another agent on this host is not disturbed.\n"
            f'[state]\ndirectory = "{state}"\n[http]\nlisten = "{self.address}"\n'
        )

    def __enter__(self) -> Agent:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pipeline", "run", "-c", str(self.config)],
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
        """A table of what `/metrics` says about our containers. Raises `OSError`."""
        with urlopen(f"http://{self.address}/metrics", timeout=5) as answer:
            text = answer.read().decode()
        lines = _by_container(text, "dockline_received_entries_total", "container")
        memory = _by_container(text, "container_memory_working_set_bytes", "name")
        cpu = _by_container(text, "container_cpu_usage_seconds_total", "name")
        rows = [f"{'container':<32}{'lines':>8}{'memory':>12}{'CPU':>10}"]
        for name in sorted(lines):
            used = f"{memory[name] / 2**20:.1f} MiB" if name in memory else "-"
            spent = f"{cpu[name]:.2f} s" if name in cpu else "-"
            rows.append(f"{name:<32}{lines[name]:>8.0f}{used:>12}{spent:>10}")
        return "\n".join(rows)


def _by_container(text: str, metric: str, label: str) -> dict[str, float]:
    """The sum of a metric's samples for each value of a label."""
    sums: dict[str, float] = {}
    for family in families(text):
        for sample in family.samples:
            if sample.name == metric:
                name = sample.labels.get(label, "")
                sums[name] = sums.get(name, 0) + sample.value
    return sums


def _free_port() -> int:
    """The agent's usual port, or another where that is taken."""
    for port in (DEFAULT_PORT, 0):
        with socket.socket() as candidate:
            candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                candidate.bind(("127.0.0.1", port))
            except OSError:
                continue
            chosen: int = candidate.getsockname()[1]
            return chosen
    raise OSError("no free port on 127.0.0.1")
