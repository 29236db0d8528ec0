"""Through a reverse proxy before the socket: all that is needed, no line lost and none repeated."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.model.errors import EngineError
from pipeline.sources.docker.engine.client import Engine, stream
from pipeline.sources.docker.engine.endpoint import resolve
from pipeline.testing.following import follow
from pipeline.testing.private_engine import PrivateEngine
from tests.servers.proxies import Proxy, haproxy, nginx

Make = Callable[..., Proxy]

COUNT = "i=0; while [ $i -lt {} ]; do echo line $i; i=$((i+1)); done"
IN_BURSTS = (
    "for i in 0 3 6; do echo line $i; echo line $((i+1)); echo line $((i+2)); sleep 2.4; done"
)


@pytest.fixture
def container(engine: PrivateEngine, busybox: str) -> Iterator[Callable[[str], str]]:
    """Starts a container with a script; its name."""
    names = []

    def start(script: str) -> str:
        names.append(f"proxy-{secrets.token_hex(4)}")
        options = ["run", "-d", "--network", "none", "--name", names[-1]]
        engine.docker(*options, busybox, "sh", "-c", script)
        return names[-1]

    yield start
    if names:
        engine.docker("rm", "--force", *names)


def socket_of(engine: PrivateEngine) -> Path:
    return engine.directory / "docker.sock"


DOCUMENTED = (Path(__file__).parents[2] / "docs/explain/engine.md").read_text()
PERMISSIONS = sorted(set(re.findall(r"`([A-Z]+)=1` \|$", DOCUMENTED, re.MULTILINE)))
PATHS = {name: "_ping" if name == "PING" else name.lower() for name in PERMISSIONS}


def as_documented(directory: Path, socket: Path, **more: Any) -> Proxy:
    return haproxy(directory, socket, allow=PATHS.values(), **more)


PROXIES = {
    "haproxy, allowing what is documented": as_documented,
    "nginx": nginx,
    "nginx speaking HTTP/1.0": lambda *given, **more: nginx(*given, version="1.0", **more),
}


@pytest.mark.parametrize("make", PROXIES.values(), ids=PROXIES)
async def test_the_agent_works_through_it(
    engine: PrivateEngine, container: Callable[[str], str], tmp_path: Path, make: Make
) -> None:
    """HTTP/1.0 comes through unchunked, whatever the proxy speaks to the Engine itself."""
    with make(tmp_path, socket_of(engine)) as proxy:
        async with follow(proxy.url) as following:
            await following.connected()
            name = await asyncio.to_thread(container, COUNT.format(20_000))
            lines = await following.until_lines(name, 20_000)
            assert lines == [f"line {number}" for number in range(20_000)]
            await asyncio.to_thread(engine.docker, "wait", name)
            await asyncio.to_thread(engine.docker, "start", name)
            await following.until_lines(name, 40_000)
            await asyncio.to_thread(engine.docker, "wait", name)
            await asyncio.to_thread(engine.docker, "rm", "--force", name)
            await following.until(lambda: "destroy" in following.actions(name))
            assert following.lines(name) == lines * 2
            assert following.actions(name) == ["create", "start", "die", "start", "die", "destroy"]


@pytest.mark.fault(20)
@pytest.mark.parametrize("make", [haproxy, nginx])
async def test_silent_streams_that_it_cuts_are_taken_up_where_they_were(
    engine: PrivateEngine,
    container: Callable[[str], str],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    make: Make,
) -> None:
    """After a second of silence here, after ten minutes in docker-socket-proxy."""
    with make(tmp_path, socket_of(engine), idle="1s") as proxy:
        async with follow(proxy.url) as following:
            await following.connected()
            name = await asyncio.to_thread(container, IN_BURSTS + "; sleep 600")
            lines = await following.until_lines(name, 9)
            for path in ("/logs?", "/events?"):
                await following.until(lambda: proxy.served(path) >= 3)  # noqa: B023
            await following.until(lambda: following.source.watch.problem is None)
            assert following.lines(name) == lines == [f"line {number}" for number in range(9)]
            assert following.sequences(name) == list(range(1, 10))
            assert following.actions(name) == ["create", "start"]
    warnings = [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING]
    # An Engine that is too busy to answer within a second is told of, rightly.
    assert [one for one in warnings if "504" not in one] == []


@pytest.mark.fault(20)
async def test_it_may_go_away_and_come_back(
    engine: PrivateEngine, container: Callable[[str], str], tmp_path: Path
) -> None:
    name = await asyncio.to_thread(
        container, "i=0; while true; do echo line $i; i=$((i+1)); sleep 0.05; done"
    )
    with haproxy(tmp_path, socket_of(engine)) as proxy:
        async with follow(proxy.url, start="beginning") as following:
            await following.until_lines(name, 10)
            await asyncio.to_thread(proxy.kill)
            await following.until(lambda: "refused" in (following.source.watch.problem or ""))
            await asyncio.sleep(0.5)
            before = len(following.lines(name))
            await asyncio.to_thread(proxy.start)
            lines = await following.until_lines(name, before + 20)
            assert lines == [f"line {number}" for number in range(len(lines))]


@pytest.mark.parametrize("forbidden", PERMISSIONS)
async def test_what_it_forbids_is_told_with_what_to_allow(
    engine: PrivateEngine, tmp_path: Path, forbidden: str
) -> None:
    allowed = [path for name, path in PATHS.items() if name != forbidden]
    with haproxy(tmp_path, socket_of(engine), allow=allowed) as proxy:
        async with follow(proxy.url) as following:
            await following.until(lambda: "403" in (following.source.watch.problem or ""))
            assert following.source.watch.problem == (
                f"{proxy.url} answers 403: 403 Forbidden Request forbidden by administrative rules."
                " (a proxy in between must allow GET on PING, INFO, CONTAINERS and EVENTS)"
            )


async def test_one_that_holds_answers_back_is_given_up_in_time(
    engine: PrivateEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As nginx does by itself: a stream that says little stays in its buffer, head and all."""
    monkeypatch.setattr(stream, "HEAD_TIMEOUT", 0.5)
    with nginx(tmp_path, socket_of(engine), buffering="on") as proxy:
        one = Engine(resolve(proxy.url, None, {}))
        await one.connect()
        try:
            with pytest.raises(EngineError, match="does not answer"):
                async with one.streamed("/events"):
                    pass
        finally:
            await one.close()
