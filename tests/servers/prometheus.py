"""A real Prometheus on a free port of the loopback, that scrapes what a test serves."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import socket
import subprocess
import tempfile
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

TIMEOUT = 30.0
"""Seconds to wait for Prometheus to start, or for a query to have an answer."""

_CONFIG = """\
global:
  scrape_interval: 250ms
  scrape_protocols: [{protocol}]
rule_files: {rules}
scrape_configs:
  - job_name: dockline
    metrics_path: {path}
    static_configs: [{{targets: ["{target}"]}}]
"""


class PrometheusServer:
    """Scrapes `target` (`host:port`) four times a second, in one format, until its `async with`
    ends. Its requests are made in threads, so that the test's own loop can answer the scrapes."""

    def __init__(
        self,
        target: str,
        *,
        protocol: str = "OpenMetricsText1.0.0",
        path: str = "/metrics",
        rules: Sequence[Path] = (),
    ) -> None:
        """`protocol` is `OpenMetricsText1.0.0` or `PrometheusText0.0.4`."""
        if not shutil.which("prometheus"):
            pytest.skip("there is no `prometheus` command: install prometheus")
        self._config = _CONFIG.format(
            target=target, protocol=protocol, path=path, rules=json.dumps([*map(str, rules)])
        )
        self._url = ""

    async def __aenter__(self) -> PrometheusServer:
        self._folder = tempfile.TemporaryDirectory(prefix="dockline-prometheus-")
        folder = Path(self._folder.name)
        (folder / "prometheus.yml").write_text(self._config)
        with socket.create_server(("127.0.0.1", 0)) as free:
            address = f"127.0.0.1:{free.getsockname()[1]}"
        self._url = f"http://{address}"
        self._log = (folder / "log").open("wb+")
        self._process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={folder}/prometheus.yml",
                f"--storage.tsdb.path={folder}/data",
                f"--web.listen-address={address}",
            ],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )
        try:
            await self._until_ready()
        except BaseException:
            self._end()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self._end)

    async def query(self, expression: str) -> list[dict[str, Any]]:
        """The series that PromQL's instant query gives now. Raises `ValueError` for a bad one."""
        return await asyncio.to_thread(self._query, expression)

    async def wait_for(self, expression: str) -> list[dict[str, Any]]:
        """The same, as soon as there are any; fails when there are none for long."""
        for _ in range(int(TIMEOUT / 0.1)):
            if found := await self.query(expression):
                return found
            await asyncio.sleep(0.1)
        raise AssertionError(f"no series for {expression}; Prometheus says:\n{self.log()}")

    async def value(self, expression: str) -> float:
        """The one figure that there is, as soon as there is one."""
        (found,) = await self.wait_for(expression)
        return float(found["value"][1])

    def log(self) -> str:
        self._log.flush()
        return Path(self._log.name).read_text()

    def _query(self, expression: str) -> list[dict[str, Any]]:
        query = urllib.parse.urlencode({"query": expression})
        try:
            with urllib.request.urlopen(f"{self._url}/api/v1/query?{query}", timeout=10) as answer:
                return json.load(answer)["data"]["result"]  # type: ignore[no-any-return]
        except urllib.error.HTTPError as error:
            raise ValueError(json.load(error)["error"]) from None

    async def _until_ready(self) -> None:
        for _ in range(int(TIMEOUT / 0.05)):
            if self._process.poll() is not None:
                break
            try:
                await self.query("vector(1)")
                return
            except (OSError, ValueError):
                await asyncio.sleep(0.05)
        raise AssertionError(f"Prometheus does not start:\n{self.log()}")

    def _end(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self._log.close()
        self._folder.cleanup()


def promtool(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
    """Runs `promtool ARGUMENTS`; skips the test where there is none."""
    if not shutil.which("promtool"):
        pytest.skip("there is no `promtool` command: install prometheus")
    done = subprocess.run(["promtool", *arguments], input=stdin, capture_output=True, check=False)
    return subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
    )
