"""Requests to a real Engine: any version, any way to reach it, and a sentence for every failure."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import secrets
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path

import pytest

from pipeline.model.component import TLSConfig
from pipeline.model.errors import EngineError
from pipeline.sources.docker.engine import client as module
from pipeline.sources.docker.engine import session
from pipeline.sources.docker.engine.client import Engine, NotFound, Unreadable, stream
from pipeline.sources.docker.engine.endpoint import resolve
from pipeline.testing.fake_engine import FakeEngine, Fault, Step, chunk, head, json_answer
from pipeline.testing.private_engine import PrivateEngine, why_not
from tests.servers.certificates import Authority, authority, stranger
from tests.servers.ports import free_port
from tests.suite.waiting import until

__all__ = ["authority", "stranger"]

NOBODY = 65534
LOGS = {"stdout": "1", "stderr": "1", "timestamps": "1"}
Run = Callable[..., Awaitable[str]]


@asynccontextmanager
async def reached(url: str, tls: TLSConfig | None = None) -> AsyncIterator[Engine]:
    one = Engine(resolve(url, tls, {}))
    try:
        await one.connect()
        yield one
    finally:
        await one.close()


async def trouble(url: str, tls: TLSConfig | None = None) -> str:
    """The sentence with which connecting fails."""
    with pytest.raises(EngineError) as caught:
        async with reached(url, tls):
            pass
    said = str(caught.value)
    assert "\n" not in said
    assert "Error" not in said
    return said


@pytest.fixture
def run(engine: PrivateEngine, busybox: str) -> Iterator[Run]:
    """Starts a container that runs a script, and gives its id."""
    names = []

    async def start(script: str, *options: str) -> str:
        names.append(f"engine-{secrets.token_hex(4)}")
        arguments = ["run", "-d", "--network", "none", "--name", names[-1], *options, busybox]
        return await asyncio.to_thread(engine.docker, *arguments, "sh", "-c", script)

    yield start
    if names:
        engine.docker("rm", "--force", *names)


@pytest.fixture
async def fake(tmp_path: Path) -> AsyncIterator[FakeEngine]:
    async with FakeEngine(tmp_path / "docker.sock") as one:
        yield one


# ------------------------------------------------------------------------------ versions


async def test_connecting_tells_which_engine_it_is(engine: PrivateEngine) -> None:
    began = time.monotonic()
    async with reached(engine.url) as one:
        took = time.monotonic() - began
        info = await asyncio.to_thread(engine.docker, "info", "--format", "{{.Name}} {{.ID}}")
        assert [one.host, one.id] == info.split()
        assert one.info["Name"] == one.host
        assert not one.podman
        version = await asyncio.to_thread(engine.docker, "version", "-f", "{{.Server.APIVersion}}")
        assert "{}.{}".format(*one.api) == version
        assert abs(one.clock_offset) < 0.5 + took


async def test_connecting_again_asks_again(engine: PrivateEngine) -> None:
    async with reached(engine.url) as one:
        one.host = ""
        await one.connect()
        assert one.host


@pytest.mark.fault(11)
@pytest.mark.parametrize("newest", [(1, 24), (1, 30), (1, 41), (1, 42), (1, 44)])
async def test_every_version_gives_what_is_needed(
    engine: PrivateEngine, run: Run, monkeypatch: pytest.MonkeyPatch, newest: tuple[int, int]
) -> None:
    """All that the agent asks for, in the words of an older API."""
    monkeypatch.setattr(module, "NEWEST", newest)
    container = await run("echo out; echo err >&2; sleep 60", "--label", "a=b")
    async with reached(engine.url) as one:
        assert one.api == newest
        listed = await one.get("/containers/json", all="1", filters=json.dumps({"id": [container]}))
        assert [item["Id"] for item in listed] == [container]
        assert listed[0]["Labels"] == {"a": "b"}
        assert listed[0]["State"] == "running"
        inspected = await one.get(f"/containers/{container}/json")
        assert inspected["State"]["Running"]
        assert not inspected["Config"]["Tty"]
        opened = await one.logs(container, follow="1", **LOGS)
        kind = "raw" if newest < (1, 42) else "multiplexed"
        assert opened.header("content-type") == f"application/vnd.docker.{kind}-stream"
        body = b""
        async with asyncio.timeout(60):
            while body.count(b"\n") < 2:
                body += await opened.read()
        opened.close()
        assert body[0] in (1, 2)
        assert b"Z out\n" in body
        assert b"Z err\n" in body
        filters = json.dumps({"type": ["container"], "container": [container]})
        async with one.streamed(
            "/events", filters=filters, since="0", until=f"{time.time()}"
        ) as got:
            events = [json.loads(line) async for line in got]
        assert [event["Action"] for event in events] == ["create", "start"]
        assert events[1]["Actor"]["ID"] == container
        assert events[1]["Actor"]["Attributes"]["a"] == "b"


@pytest.mark.parametrize(("newest", "one_shot"), [((1, 40), False), ((1, 41), True)])
async def test_one_shot_stats_came_with_version_1_41(
    engine: PrivateEngine,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    newest: tuple[int, int],
    one_shot: bool,
) -> None:
    """Before it the Engine waits for a second reading, which is why there is a reading before."""
    monkeypatch.setattr(module, "NEWEST", newest)
    container = await run("sleep 60")
    async with reached(engine.url) as one:
        query = {"stream": "0", "one-shot": "1"}
        answer = await one.get(f"/containers/{container}/stats", **query)
        assert answer["cpu_stats"]["cpu_usage"]["total_usage"] > 0
        assert (answer["precpu_stats"]["cpu_usage"]["total_usage"] == 0) == one_shot


@pytest.mark.parametrize(
    ("theirs", "negotiated"), [("1.24", (1, 24)), ("1.45", (1, 45)), ("1.99", module.NEWEST)]
)
async def test_the_newest_version_that_both_know_is_spoken(
    tmp_path: Path, theirs: str, negotiated: tuple[int, int]
) -> None:
    async with FakeEngine(tmp_path / "docker.sock", api=theirs) as fake, reached(fake.url) as one:
        assert one.api == negotiated
        await one.get("/containers/json")
        assert fake.requests[0].version == ""
        assert fake.requests[-1].version == "v{}.{}".format(*negotiated)


async def test_an_engine_of_long_ago_is_refused(tmp_path: Path) -> None:
    async with FakeEngine(tmp_path / "docker.sock", api="1.23") as fake:
        assert "speaks API 1.23; 1.24 is needed" in await trouble(fake.url)


# -------------------------------------------------------------------------- its own errors


async def test_a_container_that_is_not_there_is_not_found(engine: PrivateEngine) -> None:
    async with reached(engine.url) as one:
        with pytest.raises(NotFound, match="No such container"):
            await one.get(f"/containers/{'0' * 64}/json")
        with pytest.raises(NotFound, match="No such container"):
            await one.logs("0" * 64, **LOGS)


async def test_a_proxys_404_does_not_say_that_a_container_is_gone(fake: FakeEngine) -> None:
    page = head(404, content_type="text/html", length=22) + b"<h1>404 Not Found</h1>"
    fake.answer("/containers/x/json", [page])
    fake.answer("/containers/x/logs", [page])
    async with reached(fake.url) as one:
        for asking in (one.get("/containers/x/json"), one.logs("x", **LOGS)):
            with pytest.raises(EngineError, match="answers 404: 404 Not Found") as caught:
                await asking
            assert not isinstance(caught.value, NotFound)
            assert "a proxy in between must allow GET on PING, INFO" in str(caught.value)


async def test_a_container_that_podman_is_removing_is_not_found_either(fake: FakeEngine) -> None:
    """Its answer as it was seen, once in some twenty removals."""
    answer = {
        "cause": "no such container",
        "message": "no container with ID 0 found in database: no such container",
        "response": 500,
    }
    fake.answer("/containers/x/logs", [json_answer(answer, 500)])
    async with reached(fake.url) as one:
        with pytest.raises(NotFound, match="no such container"):
            await one.logs("x", **LOGS)


async def test_a_driver_that_keeps_nothing_is_unreadable_for_good(
    engine: PrivateEngine, run: Run
) -> None:
    container = await run("sleep 60", "--log-driver", "none")
    async with reached(engine.url) as one:
        with pytest.raises(Unreadable, match="answers 501: ") as caught:
            await one.logs(container, **LOGS)
        assert caught.value.permanent


async def test_any_other_error_is_told_in_the_engines_own_words(
    engine: PrivateEngine, run: Run
) -> None:
    container = await run("sleep 60")
    async with reached(engine.url) as one:
        with pytest.raises(EngineError, match=r"answers 400: .*must choose at least one stream"):
            await one.logs(container)
        with pytest.raises(EngineError, match="answers 400: "):
            async with one.streamed("/events", filters="junk"):
                pass


# ----------------------------------------------------------------------- ways not to reach it


async def test_a_socket_that_is_missing(tmp_path: Path) -> None:
    said = await trouble(f"unix://{tmp_path}/docker.sock")
    assert said == (
        f"there is no socket at unix://{tmp_path}/docker.sock (from the configuration): "
        "is Docker running, and the socket mounted?"
    )


async def test_a_socket_that_nobody_listens_on(tmp_path: Path) -> None:
    with closing(socket.socket(socket.AF_UNIX)) as stale:
        stale.bind(str(tmp_path / "docker.sock"))
    said = await trouble(f"unix://{tmp_path}/docker.sock")
    assert said.startswith("nothing answers at unix://")


async def test_a_file_that_is_no_socket(tmp_path: Path) -> None:
    (tmp_path / "docker.sock").touch()
    assert (await trouble(f"unix://{tmp_path}/docker.sock")).startswith(
        "nothing answers at unix://"
    )


async def test_a_path_that_is_too_long_for_a_socket(tmp_path: Path) -> None:
    said = await trouble(f"unix://{tmp_path}/{'x' * 200}")
    assert said.endswith("failed: AF_UNIX path too long")


@pytest.mark.fault(19)
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
async def test_a_socket_that_is_not_for_us(engine: PrivateEngine) -> None:
    os.seteuid(NOBODY)
    try:
        said = await trouble(engine.url)
    finally:
        os.seteuid(0)
    assert said.startswith(f"no permission for {engine.url} (from the configuration): run as a")


async def test_a_queue_that_is_full(tmp_path: Path) -> None:
    """As when dockerd is stopped with SIGSTOP and enough others have called before."""
    with closing(socket.socket(socket.AF_UNIX)) as listener, closing(socket.socket(1)) as other:
        listener.bind(str(tmp_path / "docker.sock"))
        listener.listen(0)
        other.connect(str(tmp_path / "docker.sock"))
        said = await trouble(f"unix://{tmp_path}/docker.sock")
        assert "takes no more connections" in said
        one = Engine(resolve(f"unix://{tmp_path}/docker.sock", None, {}))
        with pytest.raises(EngineError, match="takes no more connections"):
            await one.logs("x", **LOGS)


async def test_a_port_that_nobody_listens_on() -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        for host in ("127.0.0.1", "localhost"):
            said = await trouble(f"tcp://{host}:{port}")
            assert said.startswith(f"tcp://{host}:{port} (from the configuration) refused")


@pytest.mark.fault(28)
async def test_a_host_that_does_not_exist() -> None:
    said = await trouble("tcp://engine.invalid:2375")
    assert "engine.invalid" in said
    assert "cannot be resolved" in said


@pytest.mark.parametrize("name", ["a..b", "x" * 64 + ".example"])
async def test_a_host_name_that_cannot_be_one(name: str) -> None:
    said = await trouble(f"tcp://{name}:2375")
    assert said.startswith(f"tcp://{name}:2375 (from the configuration) ")


@pytest.mark.fault(28)
async def test_a_port_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "REQUEST_TIMEOUT", 0.2)
    monkeypatch.setattr(stream, "HEAD_TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        assert "does not answer" in await trouble(url)
        with pytest.raises(EngineError, match="does not answer"):
            await Engine(resolve(url, None, {})).logs("x", **LOGS)


async def test_an_answer_that_stands_still_is_given_up(
    fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.answer("/containers/json", [head(length=100) + b"[", Fault.STALL])
    fake.answer("/events", [Fault.STALL])
    fake.answer("/containers/x/logs", [head(500, length=100) + b"{", Fault.STALL])
    monkeypatch.setattr(session, "REQUEST_TIMEOUT", 0.3)
    one = Engine(resolve(fake.url, None, {}))
    while not one.host:  # on a busy machine it may have to try again
        with suppress(EngineError):
            await one.connect()
    monkeypatch.setattr(stream, "HEAD_TIMEOUT", 0.3)
    monkeypatch.setattr(stream, "CONNECT_TIMEOUT", 0.3)
    with pytest.raises(EngineError, match="does not answer in time"):
        await one.get("/containers/json")
    with pytest.raises(EngineError, match="does not answer in time"):
        async with one.streamed("/events"):
            pass
    with pytest.raises(EngineError, match="does not answer in time"):
        await one.logs("x", **LOGS)
    await one.close()


RUBBISH = [
    [b"SSH-2.0-OpenSSH_9.6\r\n", 0.1],
    [b"\x15\x03\x01\x00\x02\x02\x16"],
    [b"HTTP/1.1 abc\r\n\r\n"],
    [b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"],
    [head(200, content_type="text/html", length=4) + b"<p/>"],
    [head(200, length=2, api_version="new") + b"OK"],
    [head(200, length=2, api_version="1.x") + b"OK"],
    [head(302, length=0, location="/_ping")],
]


@pytest.mark.fault(28)
@pytest.mark.parametrize("script", RUBBISH)
async def test_a_port_that_answers_rubbish(fake: FakeEngine, script: list[bytes]) -> None:
    fake.answer("/_ping", script)
    assert "does not answer like a Docker Engine; check the address" in await trouble(fake.url)


@pytest.mark.parametrize("value", [[], "text", None, {"Name": "x", "SystemTime": "yesterday"}])
async def test_an_info_that_is_none(fake: FakeEngine, value: object) -> None:
    fake.answer("/info", [json_answer(value)])
    assert "does not answer like a Docker Engine" in await trouble(fake.url)


async def test_json_that_is_none(fake: FakeEngine) -> None:
    fake.answer("/containers/json", [head(length=4) + b"<p/>"])
    async with reached(fake.url) as one:
        with pytest.raises(EngineError, match="does not answer like a Docker Engine"):
            await one.get("/containers/json")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"<html><h1>403 Forbidden</h1>\nby rules.</html>", "403 Forbidden by rules. (a proxy"),
        (b"", "no reason given (a proxy"),
        (b'{"error": "no"}', '{"error": "no"} (a proxy'),
        (b'{"message": "authorization denied"}', "authorization denied"),
        (b"\xff\xfe", "\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER} (a proxy"),
    ],
)
async def test_a_refusal_is_told_in_one_line(fake: FakeEngine, body: bytes, said: str) -> None:
    for path in ("/_ping", "/info"):
        fake.answer(path, [head(403, length=len(body)) + body])
        assert f"answers 403: {said}" in await trouble(fake.url)
        fake.answer("/_ping")


async def test_an_answer_that_breaks_off_is_an_error(fake: FakeEngine) -> None:
    fake.answer("/containers/json", [head(length=100) + b"["])
    fake.answer("/containers/x/logs", [b"HTTP/1.1 20"])
    async with reached(fake.url) as one:
        with pytest.raises(EngineError, match="broke off in the middle of an answer"):
            await one.get("/containers/json")
        with pytest.raises(EngineError, match="closed the connection"):
            await one.logs("x", **LOGS)


async def test_it_says_so_when_it_is_not_connected() -> None:
    one = Engine(resolve("unix:///run/docker.sock", None, {}))
    with pytest.raises(EngineError, match="is not connected"):
        await one.get("/info")
    await one.close()


# ----------------------------------------------------------------------------- streamed lines


async def test_lines_come_whole_however_they_are_cut(fake: FakeEngine) -> None:
    long = b"x" * 3_000_000
    fake.answer(
        "/events", [head() + b"o", 0.02, b"ne\n\ntwo\nth", 0.02, b"ree\n" + long + b"\nopen"]
    )
    async with reached(fake.url) as one, one.streamed("/events") as lines:
        assert [line async for line in lines] == [b"one", b"two", b"three", long]


@pytest.mark.parametrize("end", [Fault.RESET, b""], ids=["reset", "closed"])
async def test_a_stream_that_breaks_off_raises_where_it_is_read(end: Step) -> None:
    script = [head(transfer_encoding="chunked") + chunk(b"one\n"), 0.1, end]
    async with FakeEngine() as fake, reached(fake.url) as one:
        fake.answer("/events", script)
        with pytest.raises(EngineError, match=r"closed the connection|broke off"):
            async with one.streamed("/events") as lines:
                assert await anext(lines) == b"one"
                await anext(lines)


@pytest.mark.parametrize("error", [ValueError("mine"), OSError("mine"), TimeoutError("mine")])
async def test_what_the_reader_of_a_stream_raises_stays_what_it_is(
    fake: FakeEngine, error: Exception
) -> None:
    """A bug in whoever takes the events is no trouble with the Engine."""
    fake.answer("/events", [head() + b"one\n", Fault.STALL])
    async with reached(fake.url) as one:
        with pytest.raises(type(error), match="mine"):
            async with one.streamed("/events") as lines:
                async for _ in lines:
                    raise error


# --------------------------------------------------------------------------- nothing is left


def sockets(pid: int) -> int:
    """Sockets that a process has open."""
    count = 0
    for entry in list(Path(f"/proc/{pid}/fd").iterdir()):
        try:
            count += str(entry.readlink()).startswith("socket:")
        except FileNotFoundError:
            continue
    return count


async def until_sockets(pid: int, wanted: int) -> None:
    await until(lambda: sockets(pid) <= wanted, "sockets are left")


@pytest.mark.fault(39)
async def test_streams_that_are_cancelled_or_closed_leave_no_connection_on_either_side(
    engine: PrivateEngine, run: Run
) -> None:
    container = await run("sleep 60")
    before = sockets(os.getpid()), sockets(engine.pid)
    async with reached(engine.url) as one:

        async def follow() -> None:
            opened = await one.logs(container, follow="1", **LOGS)
            try:
                await opened.read()
            finally:
                opened.close()

        async def listen() -> None:
            async with one.streamed("/events") as lines:
                await anext(lines)

        async with asyncio.TaskGroup() as tasks:
            started = [tasks.create_task(what()) for what in (follow, listen) * 50]
            for turns, task in enumerate(started):
                await asyncio.sleep(0.002 * (turns % 10))
                task.cancel()
            assert len(asyncio.all_tasks()) <= len(started) + 1
        await until_sockets(os.getpid(), before[0] + 10)
    await until_sockets(os.getpid(), before[0])
    await until_sockets(engine.pid, before[1])
    gc.collect()  # a task or a transport that was let go of would warn now
    assert len(asyncio.all_tasks()) == 1


async def test_more_streams_than_a_pool_of_a_hundred_and_requests_beside_them(
    engine: PrivateEngine, run: Run
) -> None:
    container = await run("echo hello; sleep 60")
    async with reached(engine.url) as one:
        opened = await asyncio.gather(
            *(one.logs(container, follow="1", **LOGS) for _ in range(150))
        )
        for each in opened:
            assert (await each.read()).endswith(b"Z hello\n")
        async with asyncio.timeout(60):
            listed = await asyncio.gather(*(one.get("/containers/json") for _ in range(150)))
        assert all(container in str(each) for each in listed)
        for each in opened:
            each.close()


# ----------------------------------------------------------------------------- TCP and TLS


@pytest.fixture(scope="module")
def far_engine(authority: Authority) -> Iterator[PrivateEngine]:
    """An Engine that listens on TCP, for clients with a certificate. `far_engine.tcp` is where."""
    if reason := why_not():
        pytest.skip(reason)
    server = authority.issue("engine")
    files = ["--tlscacert", authority.ca, "--tlscert", server.cert, "--tlskey", server.key]
    url = f"tcp://127.0.0.1:{free_port()}"
    with PrivateEngine("--host", url, "--tlsverify", *files) as private:
        private.import_busybox()
        private.environment["TCP"] = url
        yield private


@pytest.fixture
def client(authority: Authority) -> TLSConfig:
    one = authority.issue("client")
    return TLSConfig(ca=authority.ca, cert=one.cert, key=one.key)


@pytest.mark.server
async def test_everything_works_over_tls(far_engine: PrivateEngine, client: TLSConfig) -> None:
    container = await asyncio.to_thread(
        far_engine.docker, "run", "-d", "--network", "none", "busybox:local",
        "sh", "-c", "i=0; while [ $i -lt 5000 ]; do echo line $i; i=$((i+1)); done",
    )  # fmt: skip
    await asyncio.to_thread(far_engine.docker, "wait", container)
    async with reached(far_engine.environment["TCP"], client) as one:
        assert (await one.get("/containers/json", all="1"))[0]["Id"] == container
        filters = json.dumps({"type": ["container"]})
        async with one.streamed("/events", since="0", filters=filters) as lines:
            assert json.loads(await anext(lines))["Action"] == "create"
        opened = await one.logs(container, follow="1", **LOGS)
        body = b""
        while data := await opened.read():
            body += data
        opened.close()
        assert body.count(b"\n") == 5000
        assert body.endswith(b"Z line 4999\n")
        with pytest.raises(NotFound):
            await one.logs("0" * 64, **LOGS)


async def test_the_environment_of_the_docker_command_reaches_it(
    far_engine: PrivateEngine, client: TLSConfig, tmp_path: Path
) -> None:
    for name, file in {"ca": client.ca, "cert": client.cert, "key": client.key}.items():
        (tmp_path / f"{name}.pem").symlink_to(str(file))
    environ = {
        "DOCKER_HOST": far_engine.environment["TCP"],
        "DOCKER_TLS_VERIFY": "1",
        "DOCKER_CERT_PATH": str(tmp_path),
    }
    one = Engine(await asyncio.to_thread(resolve, None, None, environ))
    await one.connect()
    await one.close()


async def test_the_certificates_name_may_be_another_than_the_address(
    far_engine: PrivateEngine, client: TLSConfig
) -> None:
    url = far_engine.environment["TCP"]
    named = TLSConfig(ca=client.ca, cert=client.cert, key=client.key, server_name="localhost")
    async with reached(url, named) as one:
        with pytest.raises(NotFound):
            await one.logs("0" * 64, **LOGS)
    other = TLSConfig(ca=client.ca, cert=client.cert, key=client.key, server_name="elsewhere")
    said = await trouble(url, other)
    assert '"elsewhere"' in said
    with pytest.raises(EngineError, match='"elsewhere"'):
        await Engine(resolve(url, other, {})).logs("x", **LOGS)


@pytest.mark.fault(27)
async def test_an_authority_that_is_not_trusted_is_told(
    far_engine: PrivateEngine, stranger: Authority
) -> None:
    said = await trouble(far_engine.environment["TCP"], TLSConfig(ca=stranger.ca))
    assert "has a certificate of an authority that is not trusted here" in said


async def test_a_client_without_a_certificate_is_told(
    far_engine: PrivateEngine, authority: Authority
) -> None:
    url, tls = far_engine.environment["TCP"], TLSConfig(ca=authority.ca)
    assert "for lack of a client certificate" in await trouble(url, tls)
    with pytest.raises(EngineError, match="for lack of a client certificate"):
        await Engine(resolve(url, tls, {})).logs("x", **LOGS)


async def test_a_client_with_an_expired_or_a_strangers_certificate_is_told(
    far_engine: PrivateEngine, authority: Authority, stranger: Authority
) -> None:
    old, other = authority.issue("old", expired=True), stranger.issue("other")
    url = far_engine.environment["TCP"]
    said = await trouble(url, TLSConfig(ca=authority.ca, cert=old.cert, key=old.key))
    assert "refused the TLS connection (certificate expired)" in said
    said = await trouble(url, TLSConfig(ca=authority.ca, cert=other.cert, key=other.key))
    assert "refused the TLS connection (unknown ca)" in said


@pytest.mark.fault(27)
async def test_an_expired_certificate_of_the_engines_is_told(authority: Authority) -> None:
    old = authority.issue("old-engine", expired=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(old.cert, old.key)
    async with FakeEngine(tls=context) as fake:
        assert "expired" in await trouble(fake.url, TLSConfig(ca=authority.ca))


async def test_plain_http_to_a_port_of_tls_and_the_reverse_are_told(
    far_engine: PrivateEngine, authority: Authority
) -> None:
    said = await trouble(far_engine.environment["TCP"])
    assert said.endswith("answers 400: Client sent an HTTP request to an HTTPS server.")
    async with FakeEngine() as fake:
        said = await trouble(fake.url, TLSConfig(ca=authority.ca))
        assert "does not speak TLS on this port" in said


@pytest.mark.server
async def test_requests_over_tcp_ask_whether_the_engine_is_still_there() -> None:
    """The connections of the pool too: events may be silent for days."""
    async with FakeEngine() as fake, reached(fake.url) as one, one.streamed("/events"):
        found = []
        for entry in list(Path("/proc/self/fd").iterdir()):
            try:
                with socket.socket(fileno=os.dup(int(entry.name))) as each:
                    if each.getpeername() == ("127.0.0.1", fake.port):
                        found.append(each.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE))
            except OSError:
                continue
        assert found == [30]
