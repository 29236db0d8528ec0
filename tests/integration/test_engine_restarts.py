"""The Engine stops or is killed, and nothing that it kept is lost or repeated."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path

import pytest

from pipeline.model.errors import EngineError
from pipeline.testing.docker_client import BUSYBOX
from pipeline.testing.following import follow
from pipeline.testing.private_engine import PrivateEngine, why_not
from pipeline.testing.ways import Way

pytestmark = pytest.mark.engine

FOREVER = "i=0; while true; do echo line $i; i=$((i+1)); sleep 0.05; done"


@contextmanager
def restartable(*arguments: str) -> Iterator[PrivateEngine]:
    if reason := why_not():
        pytest.skip(reason)
    with ExitStack() as stack:
        try:
            private = stack.enter_context(PrivateEngine(*arguments))
        except EngineError as error:
            pytest.skip(str(error))
        private.import_busybox(BUSYBOX)
        yield private


@pytest.fixture(scope="module")
def both_engines() -> Iterator[dict[str, PrivateEngine]]:
    """The tests stop them, start them again, and leave no container."""
    with restartable() as plain, restartable("--live-restore") as restoring:
        yield {"plain": plain, "restoring": restoring}


@pytest.fixture
def plain(both_engines: dict[str, PrivateEngine]) -> Iterator[PrivateEngine]:
    yield from cleared(both_engines["plain"])


@pytest.fixture
def restoring(both_engines: dict[str, PrivateEngine]) -> Iterator[PrivateEngine]:
    """With `--live-restore`."""
    yield from cleared(both_engines["restoring"])


def cleared(engine: PrivateEngine) -> Iterator[PrivateEngine]:
    yield engine
    engine.start()  # where a test has failed before it did
    if found := engine.docker("ps", "--all", "--quiet").split():
        engine.docker("rm", "--force", *found)


def run(engine: PrivateEngine, name: str, *options: str) -> None:
    engine.docker(
        "run", "--detach", "--network", "none", "--name", name, "--stop-signal", "KILL", *options,
        "busybox:local", "sh", "-c", FOREVER,
    )  # fmt: skip


@pytest.mark.fault(19)
@pytest.mark.parametrize(
    ("number", "way"),
    [
        pytest.param(signal.SIGTERM, "api", id="stopped-api"),
        pytest.param(signal.SIGTERM, "file", id="stopped-file"),
        pytest.param(signal.SIGKILL, "api", id="killed-api"),
        # the next start takes some 10 s
        pytest.param(signal.SIGKILL, "file", id="killed-file", marks=pytest.mark.slow),
    ],
)
async def test_live_restore_keeps_every_line(
    restoring: PrivateEngine, number: int, way: Way
) -> None:
    engine = restoring
    async with follow(engine.url, way=way) as following:
        await following.connected()
        await asyncio.to_thread(run, engine, "steady")
        await following.until_lines("steady", 20)
        await asyncio.to_thread(engine.stop, number)
        await following.until(lambda: following.source.watch.problem is not None)
        await asyncio.sleep(0.5)  # in which it logs on
        await asyncio.to_thread(engine.start)
        before = len(following.lines("steady"))
        lines = await following.until_lines("steady", before + 40)
        # what a killed dockerd had in its hands is nowhere
        kept = (await asyncio.to_thread(engine.docker, "logs", "steady")).splitlines()
        assert lines == kept[: len(lines)]


@pytest.mark.fault(19)
@pytest.mark.usefixtures("both_ways")
async def test_containers_that_the_engine_starts_again_go_on(plain: PrivateEngine) -> None:
    engine = plain
    async with follow(engine.url) as following:
        await following.connected()
        await asyncio.to_thread(run, engine, "steady", "--restart", "always")
        await following.until_lines("steady", 20)
        await asyncio.to_thread(engine.restart)
        await following.until(lambda: following.lines("steady").count("line 5") == 2)
        lines = following.lines("steady")
        again = lines.index("line 0", 1)
        assert lines[:again] == [f"line {n}" for n in range(again)]
        assert lines[again:] == [f"line {n}" for n in range(len(lines) - again)]


@pytest.mark.fault(19)
async def test_an_agent_started_before_the_engine_waits_for_it(plain: PrivateEngine) -> None:
    engine = plain
    await asyncio.to_thread(engine.stop)
    async with follow(engine.url) as following:
        await following.until(lambda: "Docker" in (following.source.watch.problem or ""))
        await asyncio.to_thread(engine.start)
        await following.connected()
        await asyncio.to_thread(run, engine, "steady")
        await following.until_lines("steady", 3)


@asynccontextmanager
async def way(path: Path, engine: PrivateEngine) -> AsyncIterator[None]:
    """A socket that leads to an Engine, and is gone with the context."""
    writers: list[asyncio.StreamWriter] = []

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_unix_connection(engine.url.removeprefix("unix://"))
        writers.extend((writer, back))
        await asyncio.gather(pump(reader, back), pump(there, writer))

    server = await asyncio.start_unix_server(handle, path)
    yield
    server.close()
    for writer in writers:
        writer.close()
    path.unlink(missing_ok=True)


@pytest.mark.usefixtures("both_ways")
async def test_what_starts_and_ends_while_an_engine_cannot_be_reached_that_then_forgets_it_is_read(
    plain: PrivateEngine, tmp_path: Path
) -> None:
    engine = plain

    async def hello(name: str) -> None:
        await asyncio.to_thread(
            engine.docker, "run", "--name", name, "--network", "none", "busybox:local", "echo", name
        )

    path = tmp_path / "docker.sock"
    async with follow(f"unix://{path}", state=tmp_path / "state") as following:
        async with way(path, engine):
            await following.connected()
            await hello("known")
            await following.until_lines("known", 1)
            known = following.source.followed.values()
            await following.until(lambda: all(one.follower and one.follower.idle for one in known))
        await following.until(lambda: following.source.watch.problem is not None)
        await hello("unseen")
        await asyncio.to_thread(engine.docker, "start", "--attach", "known")
        await asyncio.to_thread(engine.restart)
        async with way(path, engine):
            await following.until_lines("known", 2)
            assert await following.until_lines("unseen", 1) == ["unseen"]
            assert following.lines("known") == ["known", "known"]
