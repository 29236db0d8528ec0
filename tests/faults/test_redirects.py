"""What stands in the Engine's place sends the agent in circles."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from pipeline.testing.agent_process import AgentProcess
from pipeline.testing.fake_engine import FakeEngine, frame, head

pytestmark = [pytest.mark.server, pytest.mark.fault(28)]


async def test_an_engine_that_redirects_for_ever_is_told_and_tried_again(tmp_path: Path) -> None:
    """As a proxy does that wants a login; once it is gone all is well."""
    async with FakeEngine() as fake:
        for path in ("/_ping", "/info", "/events", "/containers/json"):
            fake.answer(path, [head(302, length=0, location=path)])
        with AgentProcess(tmp_path, fake.url) as agent:
            await until(agent, lambda: "retrying" in agent.said)
            status, body = await asyncio.to_thread(agent.get, "/readyz")
            assert status == 503
            assert "Traceback" not in agent.said
            assert fake.url.removeprefix("tcp://") in body
            asked = len(fake.requests)
            await asyncio.sleep(1)
            assert len(fake.requests) < asked + 200  # it does not go round for ever
            for path in ("/_ping", "/info", "/events", "/containers/json"):
                fake.answer(path)
            await until(agent, lambda: "connected to" in agent.said)


async def test_a_log_that_redirects_is_told_once_and_followed_when_it_no_longer_does(
    tmp_path: Path,
) -> None:
    key = "a" * 64
    logs = f"/containers/{key}/logs"
    async with FakeEngine() as fake:
        fake.containers[key] = {"name": "web"}
        fake.answer(logs, [head(302, length=0, location=logs)])
        config = '[logs]\nstart = "beginning"\n'
        with AgentProcess(tmp_path, fake.url, config) as agent:
            await until(agent, lambda: "answers 302" in agent.said)
            fake.answer(logs, [head(), frame(b"well\n")])
            await until(agent, lambda: any("well" in line for line in agent.output))
            assert agent.said.count("answers 302") == 1


async def until(agent: AgentProcess, holds: object) -> None:
    await asyncio.to_thread(agent.until, holds)  # type: ignore[arg-type]
