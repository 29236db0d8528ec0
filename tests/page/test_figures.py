"""What the page shows of a running agent on a real Engine: `/api/now`, `graph`, `history`."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from pipeline.page.sampling import sampler
from pipeline.runtime.agent_view import NOT_READ
from pipeline.testing.agent_process import AgentProcess
from pipeline.testing.private_engine import PrivateEngine

pytestmark = pytest.mark.engine

CONFIG = """
[stats]
every = "1s"
[sinks.out]
type = "file"
path = "{folder}/out.log"
[sinks.down]
type = "logstash"
address = "${{PAGE_TEST_ADDRESS:-tcp://127.0.0.1:9}}"
buffer = {{ memory = "64KiB", when_full = "drop_newest" }}
[routes.all]
to = ["out", "route:errors"]
[routes.errors]
stages = [{{ parse = "json" }}, {{ keep = "level == 'error'" }}]
to = ["down"]
"""
TALKS = """while :; do echo '{"level":"error"}'; echo '{"level":"info"}'; sleep 0.05; done"""


@pytest.fixture(scope="module")
def containers(engine: PrivateEngine, busybox: str) -> Iterator[dict[str, str]]:
    """Containers of the module: one that talks, one not followed, one that has ended."""

    def run(name: str, command: str, *options: str) -> str:
        return engine.docker(
            "run", "-d", "--network", "none", "--name", f"page-{name}", *options, busybox,
            "sh", "-c", command,
        )  # fmt: skip

    made = {
        "talks": run("talks", TALKS, "--label", "com.docker.compose.project=shop"),
        "off": run("off", "sleep 1000", "--label", "dockline.enable=false"),
        "ended": run("ended", "exit 3"),
    }
    yield made
    engine.docker("rm", "-f", *made.values())


@pytest.fixture
def agent(
    containers: dict[str, str], engine: PrivateEngine, tmp_path: Path
) -> Iterator[AgentProcess]:
    config = CONFIG.format(folder=tmp_path)
    with AgentProcess(tmp_path / "agent", engine.url, config) as running:
        running.connected()
        yield running


@asynccontextmanager
async def asked(agent: AgentProcess, path: str) -> AsyncIterator[aiohttp.ClientResponse]:
    url = f"http://{agent.address}{path}"
    headers = {"Authorization": f"Bearer {agent.token}"}
    async with (
        aiohttp.ClientSession(read_bufsize=1 << 24) as session,
        session.get(url, headers=headers) as answer,
    ):
        yield answer


async def once(agent: AgentProcess, path: str) -> Any:
    async with asked(agent, path) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


def rows(line: dict[str, Any]) -> dict[str, dict[str, Any]]:
    table = line["table"]
    found = [dict(zip(table["columns"], row, strict=True)) for row in table["rows"]]
    return {row["name"]: row for row in found}


async def test_each_line_has_what_changed_since_the_one_before(agent: AgentProcess) -> None:
    async with asked(agent, "/api/now?containers=1") as answer:
        first = json.loads(await answer.content.readline())
        second = json.loads(await answer.content.readline())
        third = json.loads(await answer.content.readline())
    assert set(rows(first)) >= {"page-talks", "page-off", "page-ended"}
    assert first["table"]["full"]
    assert not third["table"]["full"]
    assert "page-off" not in rows(third)
    talks = rows(third)["page-talks"]
    assert talks["lines_per_second"] > 5
    assert talks["memory"] > 100_000
    assert talks["routes"] == ["all", "errors"]
    assert second["totals"]["lines_per_second"] is not None
    routes = {route["name"]: route for route in third["routes"]}
    assert routes["errors"]["stages"][1]["filtered"] > 0
    assert routes["errors"]["passed_per_second"] < routes["errors"]["per_second"]


async def test_a_problem_is_told_at_its_place(agent: AgentProcess) -> None:
    now = await once(agent, "/api/now?once=1")
    (problem,) = now["problems"]
    assert (problem["kind"], problem["name"]) == ("sink", "down")
    assert "refused" in problem["text"]
    assert problem["since"] <= now["time"]


async def test_containers_that_are_not_followed_are_there_and_say_why(agent: AgentProcess) -> None:
    found = {one["name"]: one for one in (await once(agent, "/api/containers"))["containers"]}
    assert found["page-talks"]["followed"]
    assert not found["page-off"]["followed"]
    assert "dockline.enable" in found["page-off"]["why"]
    assert found["page-ended"]["why"] == NOT_READ
    assert (found["page-ended"]["state"], found["page-ended"]["exit_code"]) == ("exited", 3)


async def test_a_reload_changes_which_are_followed_and_what_is_said_of_the_others(
    agent: AgentProcess, tmp_path: Path
) -> None:
    await once(agent, "/api/containers")
    chosen = "[logs]\ncontainers = \"name == 'page-off' or name == 'nobody'\"\n"
    agent.reload(CONFIG.format(folder=tmp_path) + chosen)
    async with asyncio.timeout(20):
        while True:
            rows = (await once(agent, "/api/containers"))["containers"]
            found = {one["name"]: one for one in rows}
            if found["page-off"]["followed"] and not found["page-talks"]["followed"]:
                break
            await asyncio.sleep(0.5)
    assert found["page-talks"]["why"].startswith("logs.containers: name == 'page-off' is false")
    assert found["page-off"]["why"] == ""


async def test_patterns_and_ids_choose_containers(
    agent: AgentProcess, containers: dict[str, str]
) -> None:
    for query in ("page-t*", containers["talks"][:8]):
        found = await once(agent, f"/api/containers?container={query}")
        assert [one["name"] for one in found["containers"]] == ["page-talks"]


async def test_events_and_readings_of_a_container_are_kept(
    agent: AgentProcess, engine: PrivateEngine, busybox: str
) -> None:
    agent.connected()
    brief = engine.docker(
        "run", "-d", "--network", "none", "--name", "page-brief", busybox, "sh", "-c", "exit 7"
    )
    try:
        async with asyncio.timeout(20):
            while True:
                async with asked(agent, f"/api/history?container={brief}") as answer:
                    found = await answer.json() if answer.status == 200 else {}
                texts = [one["text"] for one in found.get("events", {}).get(brief, ())]
                if any("exited with code 7" in text for text in texts):
                    break
                await asyncio.sleep(0.1)
    finally:
        engine.docker("rm", "-f", brief)
    host = await once(agent, "/api/history")
    assert host["every"] == 20
    assert host["host"]["memory"][0] > 10e6


async def test_readings_of_several_containers_are_found_by_name_and_id(
    agent: AgentProcess, containers: dict[str, str]
) -> None:
    ids = {containers["talks"], containers["off"]}
    query = f"container=page-talks&container={containers['off'][:12]}&container=nobody"
    async with asyncio.timeout(60):
        found: dict[str, Any] = {}
        while set(found) != ids:
            await once(agent, "/api/now?once=1")  # the one that isn't followed is known by then
            found = (await once(agent, f"/api/history?{query}&figure=lines"))["containers"]
            await asyncio.sleep(1)
    assert all(set(series) == {"lines"} for series in found.values())


async def test_the_graph_has_what_the_configuration_has(agent: AgentProcess) -> None:
    graph = await once(agent, "/api/graph")
    assert graph["entries"] == ""
    assert not graph["hub"]
    assert graph["sources"][0]["type"] == "docker"
    assert [route["feeds"] for route in graph["routes"]] == [["errors"], []]
    assert graph["sinks"][1]["address"] == "${PAGE_TEST_ADDRESS:-…}"


async def test_one_that_publishes_to_a_hub_has_a_fleet(
    engine: PrivateEngine, tmp_path: Path
) -> None:
    config = '[sinks.central]\ntype = "redis"\naddress = "redis://127.0.0.1:9"\n'
    with AgentProcess(tmp_path / "agent", engine.url, config) as agent:
        assert (await once(agent, "/api/graph"))["hub"]
        assert (await once(agent, "/api/fleet"))["publishes"][0]["sink"] == "central"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/now?nothing=1", 400),
        ("/api/now?once=1&once=2", 400),
        ("/api/history?figure=none", 400),
        ("/api/history?container=nobody", 404),
        ("/api/containers?container=" + "x" * 600, 400),
    ],
)
async def test_a_wrong_query_is_refused_in_a_sentence(
    agent: AgentProcess, path: str, status: int
) -> None:
    async with asked(agent, path) as answer:
        assert answer.status == status
        assert (await answer.text()).count("\n") == 1


async def test_everything_needs_the_token(agent: AgentProcess) -> None:
    for path in ("/api/now", "/api/graph", "/api/containers", "/api/history"):
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://{agent.address}{path}") as answer,
        ):
            assert answer.status == 401


async def test_there_is_a_limit_of_viewers_and_one_who_leaves_makes_room(
    agent: AgentProcess,
) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        url = f"http://{agent.address}/api/now"
        headers = {"Authorization": f"Bearer {agent.token}"}
        viewers = [await session.get(url, headers=headers) for _ in range(sampler.MOST_VIEWERS)]
        async with session.get(url, headers=headers) as answer:
            assert answer.status == 503
            assert "watching already" in await answer.text()
        viewers[0].close()
        async with asyncio.timeout(10):
            while True:
                async with session.get(f"{url}?once=1", headers=headers) as answer:
                    if answer.status == 200:
                        break
                await asyncio.sleep(0.1)
        for viewer in viewers:
            viewer.close()


async def test_an_agent_that_stops_goes_on_telling_until_all_is_delivered(
    agent: AgentProcess,
) -> None:
    agent.until(lambda: "page-talks" in agent.get("/api/containers")[1], "it is not there")
    async with asked(agent, "/api/now") as answer:
        await answer.content.readline()
        agent.process.send_signal(signal.SIGTERM)  # `down` takes nothing
        async with asyncio.timeout(20):
            while "stopping" not in agent.said:
                await asyncio.sleep(0.05)
            before = json.loads(await answer.content.readline())
            after = json.loads(await answer.content.readline())
    assert after["time"] > before["time"]
    agent.process.kill()


def test_without_the_page_there_is_no_api(engine: PrivateEngine, tmp_path: Path) -> None:
    running = AgentProcess(tmp_path / "agent", engine.url)
    text = running.config.read_text()
    running.config.write_text(text.replace("[http]\n", "[http]\npage = false\n"))
    with running:
        assert running.get("/api/now")[0] == 404
        assert running.get("/page/index.html")[0] == 404
        assert "/metrics" in running.get("/")[1]
