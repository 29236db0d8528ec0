"""A real Prometheus on a free port of the loopback, that scrapes what a test serves."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.servers.daemon import Daemon, eventually
from tests.servers.ports import free_port

PATIENCE = 90.0
"""Seconds until a query should have an answer. The first scrape comes after five."""

_CONFIG = """\
global:
  scrape_interval: 250ms
  evaluation_interval: {evaluation}
  scrape_protocols: [{protocol}]
rule_files: {rules}
scrape_configs:
  - job_name: dockline
    metrics_path: {path}
    static_configs: [{{targets: ["{target}"]}}]
{authorization}"""


class PrometheusServer(Daemon):
    """Scrapes `target` (`host:port`) four times a second, in one format, while it runs.

    Queries are made in threads, so that the test's own loop can answer the scrapes.
    """

    def __init__(
        self,
        directory: Path,
        target: str,
        *,
        protocol: str = "OpenMetricsText1.0.0",
        path: str = "/metrics",
        rules: Sequence[Path] = (),
        evaluation: str = "1m",
        options: Sequence[str] = (),
        credentials: Path | None = None,
    ) -> None:
        """`protocol` is `OpenMetricsText1.0.0` or `PrometheusText0.0.4`; `credentials` the file of
        a token that is sent; `evaluation` how often the rules are evaluated."""
        if not shutil.which("prometheus"):
            pytest.skip("there is no `prometheus` command: install prometheus")
        config = directory / "prometheus.yml"
        names = json.dumps([str(rule) for rule in rules])
        authorization = f"    authorization: {{credentials_file: {credentials}}}\n"
        config.write_text(
            _CONFIG.format(
                target=target, protocol=protocol, path=path, rules=names, evaluation=evaluation,
                authorization=authorization if credentials else "",
            )
        )  # fmt: skip
        port = free_port()
        command = [
            "prometheus",
            f"--config.file={config}",
            f"--storage.tsdb.path={directory}/data",
            f"--web.listen-address=127.0.0.1:{port}",
            *options,
        ]
        super().__init__(command, directory, [port])

    def start(self) -> None:
        """It has read its database when this returns."""
        super().start()
        eventually("Prometheus is ready", self._is_ready)

    def _is_ready(self) -> bool:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{self.ports[0]}/-/ready", timeout=60).close()
        except OSError:
            return False
        return True

    async def query(self, expression: str) -> list[dict[str, Any]]:
        """The series that PromQL's instant query gives now. Raises `ValueError` for a bad one."""
        return await asyncio.to_thread(self._query, expression)

    async def wait_for(self, expression: str) -> list[dict[str, Any]]:
        """The same, as soon as there are any."""
        try:
            async with asyncio.timeout(PATIENCE):
                while not (found := await self.query(expression)):
                    await asyncio.sleep(0.1)
        except TimeoutError:
            pytest.fail(f"no series for {expression}; Prometheus says:\n{self.log.read_text()}")
        return found

    async def value(self, expression: str) -> float:
        """The one figure that there is, as soon as there is one."""
        (found,) = await self.wait_for(expression)
        return float(found["value"][1])

    def _query(self, expression: str) -> list[dict[str, Any]]:
        query = urllib.parse.urlencode({"query": expression})
        url = f"http://127.0.0.1:{self.ports[0]}/api/v1/query?{query}"
        try:
            with urllib.request.urlopen(url, timeout=60) as answer:
                return json.load(answer)["data"]["result"]  # type: ignore[no-any-return]
        except urllib.error.HTTPError as error:
            if error.code == 503:  # it listens, and still reads its empty database
                return []
            raise ValueError(json.load(error)["error"]) from None


def promtool(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Runs `promtool ARGUMENTS`; skips the test where there is none."""
    if not shutil.which("promtool"):
        pytest.skip("there is no `promtool` command: install prometheus")
    return subprocess.run(["promtool", *arguments], input=stdin, capture_output=True, check=False)
