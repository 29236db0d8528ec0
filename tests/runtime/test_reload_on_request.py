"""Who may reload over HTTP, and what the answers say."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import ClientSession, web
from prometheus_client import CollectorRegistry

from pipeline.config import Config, ConfigFile, Given
from pipeline.config.compare import Difference, compare
from pipeline.model.metrics import Metrics
from pipeline.observe.access import Access
from pipeline.observe.server import Server
from pipeline.runtime.reload import Reloader
from pipeline.runtime.reload_on_request import Reloading


class Agent:
    """Goes on with everything, unless it has a bug."""

    def __init__(self) -> None:
        self.has_a_bug = False

    async def reload(self, written: ConfigFile) -> Difference:
        if self.has_a_bug:
            raise ValueError("token=hunter2")
        return compare(Config(), written.config)

    async def finish_reload(self) -> None:
        pass


class Running:
    def __init__(self, file: Path, access: Access) -> None:
        self.agent = Agent()
        self.reloading = Reloading(access)
        self.server = Server("127.0.0.1:0", [web.post("/-/reload", self.reloading.handle)])
        self.reloader = Reloader(Given((file,)), {}, Metrics(CollectorRegistry()))

    async def post(self, **headers: str) -> tuple[int, str]:
        url = f"http://{self.server.address}/-/reload"
        async with ClientSession() as client, client.post(url, headers=headers) as answer:
            return answer.status, await answer.text()


@asynccontextmanager
async def running(file: Path, access: Access = "all") -> AsyncIterator[Running]:
    made = Running(file, access)
    await made.server.start()
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(made.reloader.run(made.agent))
        made.reloading.reloader = made.reloader
        yield made
        task.cancel()
    await made.server.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "dockline.toml"
    path.write_text('[sinks.out]\ntype = "file"\npath = "/a"\n')
    return path


async def test_nobody_reloads_where_it_is_off_and_a_proxy_where_all_may(file: Path) -> None:
    async with running(file, "off") as made:
        status, text = await made.post()
        assert status == 403
        assert 'http.reload = "all"' in text
    async with running(file, "all") as made:
        assert (await made.post(Via="1.1 x"))[0] == 200
    async with running(file, "local") as made:
        assert (await made.post(Via="1.1 x"))[0] == 403
        assert (await made.post())[0] == 200


async def test_a_bug_is_told_without_what_it_says(file: Path) -> None:
    async with running(file) as made:
        made.agent.has_a_bug = True
        status, text = await made.post()
        assert status == 500
        assert "hunter2" not in text
        made.agent.has_a_bug = False
        assert (await made.post())[0] == 200


async def test_before_the_agent_runs_and_after_it_has_stopped_nothing_is_reloaded(
    file: Path,
) -> None:
    async with running(file) as made:
        made.reloading.reloader = None
        assert (await made.post())[0] == 503
        ended = Reloader(Given((file,)), {}, Metrics(CollectorRegistry()))
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(ended.run(made.agent))
            await asyncio.sleep(0)
            task.cancel()
        made.reloading.reloader = ended
        status, text = await made.post()
        assert status == 503
        assert "the agent is stopping" in text
