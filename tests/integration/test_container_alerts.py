"""Alerts on containers: a real Engine, the agent, a real Prometheus with the rules that come with
it."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.testing.agent_process import AgentProcess
from pipeline.testing.private_engine import PrivateEngine
from tests.servers.prometheus import PrometheusServer

RULES = Path(__file__).parents[2] / "config/prometheus/rules.yml"
FIRING = 'ALERTS{{alertstate="firing",alertname="{}",name="{}"}}'


@pytest.fixture
def run(engine: PrivateEngine, busybox: str) -> Iterator[Callable[..., str]]:
    """Starts a container of that name and a few digits, and gives its whole name."""
    names, digits = [], secrets.token_hex(3)

    def start(name: str, script: str, *options: str) -> str:
        names.append(f"{name}-{digits}")
        engine.docker(
            "run", "--detach", "--network", "none", "--name", names[-1], *options, busybox,
            "sh", "-c", script,
        )  # fmt: skip
        return names[-1]

    yield start
    for name in names:
        engine.docker("rm", "--force", name)


@pytest.fixture
def hasty_rules(tmp_path: Path) -> Path:
    """The rules, with alerts that wait for two seconds instead of minutes."""
    hasty = tmp_path / "rules.yml"
    hasty.write_text(re.sub(r"for: \d+m", "for: 2s", RULES.read_text()))
    return hasty


@pytest.mark.server
async def test_a_crash_fires_an_alert_and_a_deploy_or_a_job_that_is_done_does_not(
    engine: PrivateEngine, run: Callable[..., str], hasty_rules: Path, tmp_path: Path
) -> None:
    config = '[sinks.out]\ntype = "console"\n[stats]\nevery = "1s"\n'
    with AgentProcess(tmp_path / "agent", engine.url, config) as agent:
        await asyncio.to_thread(agent.connected)
        with PrometheusServer(
            tmp_path, agent.address, rules=[hasty_rules], evaluation="1s"
        ) as prometheus:
            unhealthy = ("--health-cmd", "exit 1", "--health-interval", "1s",
                         "--health-retries", "1")  # fmt: skip
            hungry = ("--memory", "32m", "--memory-swap", "32m")

            def act() -> dict[str, str]:
                names = {
                    "done": run("done", "exit 0"),
                    "stopped": run("stopped", "exec sleep 600"),
                    "deployed": run("deployed", "exec sleep 600"),
                    "ill": run("ill", "exec sleep 600", *unhealthy),
                    "crash": run("crash", "sleep 1; exit 3"),
                    "gone": run("gone", "sleep 1; exit 4", "--rm"),
                    "hungry": run("hungry", "exec tail /dev/zero", *hungry),
                    "loop": run("loop", "exit 5", "--restart", "always"),
                }
                engine.docker("stop", "--time", "1", names["stopped"])
                engine.docker("rm", "--force", names["deployed"])
                return names

            names = await asyncio.to_thread(act)
            for alert, of in (
                ("ContainerDown", "crash"),
                ("ContainerDown", "gone"),
                ("ContainerDown", "hungry"),
                ("ContainerOOM", "hungry"),
                ("ContainerUnhealthy", "ill"),
                ("ContainerRestarting", "loop"),
            ):
                await prometheus.wait_for(FIRING.format(alert, names[of]))
            for of in ("done", "stopped", "deployed"):
                query = f'ALERTS{{name="{names[of]}"}}'
                assert await prometheus.query(query) == []
            reasons = {
                found["metric"]["name"]: (found["metric"]["reason"], found["value"][1])
                for found in await prometheus.query("container_exit_code")
            }
            assert names["deployed"] not in reasons
            assert reasons[names["done"]] == ("completed", "0")
            assert reasons[names["stopped"]] == ("stopped", "137")
            assert reasons[names["hungry"]] == ("oom_killed", "137")
            assert reasons[names["gone"]] == ("error", "4")

            await asyncio.to_thread(engine.docker, "rm", names["crash"])
            firing = FIRING.format("ContainerDown", names["crash"])
            async with asyncio.timeout(60):
                while await prometheus.query(firing):
                    await asyncio.sleep(0.2)
        assert await asyncio.to_thread(agent.stop) == 0
