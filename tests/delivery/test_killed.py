"""The whole agent with every sink there is, killed in the middle of its work and started again.

It is run once for all tests here; each looks at what came of it at its sink. The container's lines
are numbered as their entries are, from 1 on.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import re
import signal
import socket
import threading
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol

import pytest
import redis

from pipeline.accounting.checkpoint import Checkpoint
from pipeline.testing.agent_process import AgentProcess
from pipeline.testing.private_engine import PrivateEngine
from tests.delivery.breaking import Breaking, in_kernel
from tests.faults.peers import LumberjackPeer
from tests.servers.certificates import Authority
from tests.servers.daemon import eventually
from tests.servers.fluent import FluentPeer
from tests.servers.kafka import KafkaCluster, Reader
from tests.servers.nats import NatsServer
from tests.servers.nats_messages import take
from tests.servers.otlp import messages, read_logs
from tests.servers.ports import free_port
from tests.servers.receivers import server_context
from tests.servers.redis import RedisServer

KILLS = 3
SO_RCVBUFFORCE = 33
LINES = 500
"""That each sink has got in a life before the agent is killed."""
SOME_SECONDS_WORTH = 5000
SCRIPT = "n=1; while :; do seq $n $((n+49)); n=$((n+50)); sleep 0.1; done"
SHOWN = 'name="dk-numbers"'
CONFIG = """
[agent]
shutdown = "60s"
[logs]
start = "beginning"
containers = 'name == "dk-numbers"'
[stats]
every = "1s"
[events]
enabled = false
[sinks.console]
type = "console"
[sinks.file-batch]
type = "file"
path = "{folder}/file-batch"
fsync = "batch"
[sinks.file-rotate]
type = "file"
path = "{folder}/file-rotate"
[sinks.file-never]
type = "file"
path = "{folder}/file-never"
fsync = "never"
[sinks.syslog-tcp]
type = "syslog"
address = "tcp://127.0.0.1:{syslog-tcp}"
[sinks.syslog-tls]
type = "syslog"
address = "tls://127.0.0.1:{syslog-tls}"
tls = {{ ca = "{ca}" }}
[sinks.papertrail]
type = "papertrail"
address = "127.0.0.1:{papertrail}"
tls = {{ ca = "{ca}" }}
[sinks.syslog-udp]
type = "syslog"
address = "udp://127.0.0.1:{syslog-udp}"
[sinks.lumberjack]
type = "logstash"
address = "lumberjack://127.0.0.1:{lumberjack}"
ack_timeout = "60s"
[sinks.logstash-tcp]
type = "logstash"
address = "tcp://127.0.0.1:{logstash-tcp}"
[sinks.logstash-tls]
type = "logstash"
address = "tls://127.0.0.1:{logstash-tls}"
tls = {{ ca = "{ca}" }}
[sinks.logstash-udp]
type = "logstash"
address = "udp://127.0.0.1:{logstash-udp}"
[sinks.http]
type = "http"
url = "http://127.0.0.1:{http}"
timeout = "60s"
[sinks.forward]
type = "forward"
address = "tcp://127.0.0.1:{forward}"
[sinks.gelf-tcp]
type = "gelf"
address = "tcp://127.0.0.1:{gelf-tcp}"
[sinks.gelf-udp]
type = "gelf"
address = "udp://127.0.0.1:{gelf-udp}"
[sinks.nats]
type = "nats"
urls = ["nats://127.0.0.1:{nats}"]
timeout = "60s"
ack_timeout = "60s"
stream = {{ duplicate_window = "100ms" }}
[sinks.loki]
type = "loki"
url = "http://127.0.0.1:{loki}"
encoding = "json"
timeout = "60s"
[sinks.kafka]
type = "kafka"
bootstrap_servers = ["127.0.0.1:{kafka}"]
timeout = "60s"
[sinks.redis]
type = "redis"
address = "redis://127.0.0.1:{redis}"
timeout = "60s"
[sinks.otlp]
type = "otlp"
url = "http://127.0.0.1:{otlp}"
timeout = "60s"
[sinks.elasticsearch]
type = "elasticsearch"
urls = ["http://127.0.0.1:{elasticsearch}"]
timeout = "60s"
[sinks.disk]
type = "logstash"
address = "tcp://127.0.0.1:{disk}"
buffer = {{ memory = "64KiB", disk = "256MiB" }}
retry = {{ max = "1s" }}
[sinks.prometheus]
type = "prometheus"
listen = "127.0.0.1:{prometheus}"
"""
EXACT = [
    "console", "file-batch", "file-rotate", "file-never", "syslog-tcp", "syslog-tls", "papertrail",
    "syslog-udp", "lumberjack", "logstash-tcp", "logstash-tls", "logstash-udp",
    "http", "loki", "elasticsearch", "otlp", "forward", "gelf-tcp", "gelf-udp", "redis",
    "nats", "kafka",
]  # fmt: skip
"""Those that hold nothing back on a disk of the agent's own."""

# ------------------------------------------------------------------ numbers of lines, in order


def as_json(data: bytes) -> list[int]:
    """The last line may be cut short, here and in the others."""
    return [int(json.loads(one)["message"]) for one in data.split(b"\n")[:-1] if one]


def as_pushed(data: bytes) -> list[int]:
    """Requests to Loki, one behind the other."""
    return [int(line) for line in re.findall(rb'\["\d+","(\d+)",', data)]


def as_otlp(data: bytes) -> list[int]:
    """Requests one behind the other are one request."""
    return list(map(int, messages(read_logs(data))))


def as_bulk(data: bytes) -> list[int]:
    """Requests to Elasticsearch."""
    return as_json(b"".join(line + b"\n" for line in data.split(b"\n")[1::2]))


def created(body: bytes) -> bytes:
    """What Elasticsearch answers."""
    return b'{"items":[%b]}' % b",".join([b'{"create":{"status":201}}'] * (body.count(b"\n") // 2))


def as_lf(data: bytes) -> list[int]:
    """Syslog messages with an LF at the end."""
    return [int(one.rpartition(b" ")[2]) for one in data.split(b"\n")[:-1]]


def as_counted(data: bytes) -> list[int]:
    """Syslog messages with their length before them."""
    found, at = [], 0
    while length := re.compile(rb"(\d+) ").match(data, at):
        at = length.end() + int(length[1])
        if at <= len(data):
            found += as_lf(data[length.end() : at] + b"\n")
    return found


def as_gelf(data: bytes) -> list[int]:
    """Messages with a NUL at the end, and a datagram."""
    if data.startswith(b"\x1f\x8b"):
        data = gzip.decompress(data.removesuffix(b"\n")) + b"\0"
    return [int(json.loads(one)["short_message"]) for one in data.split(b"\0")[:-1]]


# ----------------------------------------------------------------------------- destinations


class Destination(Protocol):
    """Where a sink leads."""

    def life(self) -> list[int]:
        """What has come since the agent was started last."""

    def quiet(self) -> bool:
        """The agent is dead, and all that it had sent is here."""


class Written:
    """A file that is appended to."""

    def __init__(self, path: Path, past: int = 0) -> None:
        self._path = path
        self._past = past

    def life(self) -> list[int]:
        return as_json(self._path.read_bytes()[self._past :]) if self._path.exists() else []

    def quiet(self) -> bool:
        return True

    def next_life(self) -> None:
        self._past = self._path.stat().st_size


class Streamed:
    """A connection for each life."""

    def __init__(self, receiver: Breaking, decode: Callable[[bytes], list[int]]) -> None:
        self.port = receiver.port
        self._receiver = receiver
        self._decode = decode
        self._past = 0

    def life(self) -> list[int]:
        data = self._receiver.data[self._past :]
        assert len(data) <= 1
        return self._decode(data[0]) if data else []

    def quiet(self) -> bool:
        return all(one.ended for one in self._receiver.connections)

    def next_life(self) -> None:
        self._past = len(self._receiver.data)


class Datagrams:
    """They wait in the kernel until they are asked for."""

    def __init__(self, decode: Callable[[bytes], list[int]]) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 2**26)
        self._socket.setblocking(False)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._decode = decode
        self._life: list[int] = []

    def __enter__(self) -> Datagrams:
        return self

    def __exit__(self, *raised: object) -> None:
        self._socket.close()

    def life(self) -> list[int]:
        try:
            while True:
                self._life += self._decode(self._socket.recv(65536) + b"\n")
        except BlockingIOError:
            return self._life

    def quiet(self) -> bool:
        return True

    def next_life(self) -> None:
        self._life = []


class Windows(LumberjackPeer):
    """Those that came whole."""

    def __init__(self) -> None:
        super().__init__()
        self._past = 0
        self._serving = 0

    def life(self) -> list[int]:
        entries = (entry for window in self.windows[self._past :] for entry in window)
        return [int(entry["message"]) for entry in entries]

    def quiet(self) -> bool:
        return not self._serving

    def next_life(self) -> None:
        self._past = len(self.windows)

    def _serve(self, connection: Any) -> None:
        self._serving += 1
        super()._serve(connection)
        self._serving -= 1


class Posted:
    """Requests that came whole."""

    def __init__(
        self,
        decode: Callable[[bytes], list[int]] = as_json,
        answer: Callable[[bytes], bytes] = lambda body: b"",
    ) -> None:
        self._decode = decode
        self._bodies: list[bytes] = []
        self._past = self._serving = 0
        posted = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle(self) -> None:
                posted._serving += 1
                with suppress(ConnectionError):
                    super().handle()
                posted._serving -= 1

            def do_GET(self, said: bytes = b"") -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                body = self.rfile.read(length)
                if len(body) == length:
                    posted._bodies.append(zlib.decompress(body, wbits=31))
                    self.do_GET(answer(posted._bodies[-1]))

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port

    def __enter__(self) -> Posted:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def life(self) -> list[int]:
        return self._decode(b"".join(self._bodies[self._past :]))

    def quiet(self) -> bool:
        return not self._serving

    def next_life(self) -> None:
        self._past = len(self._bodies)


class Queued(NatsServer):
    """Messages of a stream, taken out as they are read."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._life: list[int] = []

    def life(self) -> list[int]:
        if self.stream("DOCKLINE") is not None:
            batches = (one for message in asyncio.run(take(self.url)) for one in message.batches)
            self._life += [int(line) for batch in batches for line in batch.lines]
        return self._life

    def quiet(self) -> bool:
        return self.look("connz")["num_connections"] == 0

    def next_life(self) -> None:
        self._life = []


class Chunks(FluentPeer):
    """Those that came whole."""

    def __init__(self) -> None:
        super().__init__()
        self._past = 0

    def life(self) -> list[int]:
        return [int(one) for chunk in self.chunks[self._past :] for one in chunk.messages]

    def next_life(self) -> None:
        self._past = len(self.chunks)


class InRedis:
    """Entries of a stream."""

    def __init__(self, server: RedisServer) -> None:
        self.port = server.port
        self._last = "0-0"
        self._life: list[int] = []

    def life(self) -> list[int]:
        with redis.Redis(port=self.port) as client:
            for entry, fields in client.xrange("dockline", f"({self._last}"):
                self._life.append(int(json.loads(fields[b"json"])["message"]))
                self._last = entry.decode()
        return self._life

    def quiet(self) -> bool:
        with redis.Redis(port=self.port) as client:
            return len(client.client_list()) == 1

    def next_life(self) -> None:
        self._life = []


class InKafka:
    """Records of the topic `dockline`, of which there is one partition."""

    def __init__(self, cluster: KafkaCluster) -> None:
        cluster.create("dockline", 1)
        self._ports = [int(server.rpartition(":")[2]) for server in cluster.servers]
        self.port = self._ports[0]
        self._reader = Reader(cluster.servers, ["dockline"])
        self._read = 0
        self._life: list[int] = []

    def __enter__(self) -> InKafka:
        return self

    def __exit__(self, *raised: object) -> None:
        self._reader.close()

    def life(self) -> list[int]:
        records = self._reader.some()
        self._read += len(records)
        self._life += [int(json.loads(one.value)["message"]) for one in records]
        return self._life

    def quiet(self) -> bool:
        if any(waiting for port in self._ports for waiting in in_kernel(port)):
            return False
        # The cluster has one thread for all: it has seen to all else before the second answer.
        ends = {self._reader.end("dockline", 0) for _ in range(2)}
        self.life()
        return ends == {self._read}

    def next_life(self) -> None:
        self._life = []


# ------------------------------------------------------------------------------ what happens


@dataclass
class Lives:
    """Of an agent that was killed now and then."""

    got: list[dict[str, list[int]]] = field(default_factory=list)
    """In each life, by sink, the numbers of the lines that came."""
    known: list[dict[str, int]] = field(default_factory=list)
    """After each kill, by sink, the last line that the state directory says it to have."""
    shown: int = 0
    """Lives in which the prometheus sink has shown the container."""


@pytest.fixture(scope="module")
def lives(
    engine: PrivateEngine,
    busybox: str,
    authority: Authority,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Lives]:
    folder = tmp_path_factory.mktemp("killed")
    script = ("sh", "-c", SCRIPT)
    run = ("run", "--detach", "--network", "none", "--name", "dk-numbers", busybox, *script)
    container_id = engine.docker(*run)
    try:
        with ExitStack() as stack:
            yield _live(stack, folder, engine.url, container_id, authority)
    finally:
        engine.docker("rm", "--force", "dk-numbers")


def _live(
    stack: ExitStack, folder: Path, engine: str, container_id: str, authority: Authority
) -> Lives:
    lives, dice = Lives(), random.Random(3)
    tls = server_context(authority.issue("killed"))
    there: dict[str, Any] = {
        # first, so that they are read whenever the others are waited for
        "syslog-udp": stack.enter_context(Datagrams(as_lf)),
        "logstash-udp": stack.enter_context(Datagrams(as_json)),
        "gelf-udp": stack.enter_context(Datagrams(as_gelf)),
        "console": Written(folder / "out"),
        **{name: Written(folder / name) for name in ("file-batch", "file-rotate", "file-never")},
        "syslog-tcp": Streamed(stack.enter_context(Breaking()), as_counted),
        "syslog-tls": Streamed(stack.enter_context(Breaking(tls)), as_counted),
        "papertrail": Streamed(stack.enter_context(Breaking(tls)), as_lf),
        "logstash-tcp": Streamed(stack.enter_context(Breaking()), as_json),
        "logstash-tls": Streamed(stack.enter_context(Breaking(tls)), as_json),
        "lumberjack": stack.enter_context(Windows()),
        "http": stack.enter_context(Posted()),
        "kafka": stack.enter_context(InKafka(stack.enter_context(KafkaCluster(brokers=1)))),
        "redis": InRedis(stack.enter_context(RedisServer(folder / "redis"))),
        "forward": stack.enter_context(Chunks()),
        "gelf-tcp": Streamed(stack.enter_context(Breaking()), as_gelf),
        "loki": stack.enter_context(Posted(as_pushed)),
        "otlp": stack.enter_context(Posted(as_otlp)),
        "elasticsearch": stack.enter_context(Posted(as_bulk, created)),
        "nats": stack.enter_context(Queued(folder / "nats")),
    }
    ports = {name: one.port for name, one in there.items() if not isinstance(one, Written)}
    ports |= {"prometheus": free_port(), "disk": free_port()}
    config = CONFIG.format(folder=folder, ca=authority.ca, **ports)
    # However far it is behind, no more than this is on its way when it is killed.
    config = re.sub(r"(?m)^\[sinks\..*\]$", r"\g<0>\nbatch = { entries = 500 }", config)
    with AgentProcess(folder, engine, config) as agent:
        for life in range(KILLS + 1):
            if life:
                agent.start()
            agent.until(lambda: all(len(one.life()) > LINES for one in there.values()))
            agent.until(lambda: SHOWN in scrape(ports["prometheus"]))
            lives.shown += 1
            if life < KILLS:
                come(agent, there["syslog-tcp"], dice.randrange(LINES))
                agent.stop(signal.SIGKILL)
            else:
                mark = max(max(got["console"]) for got in lives.got)
                agent.until(lambda mark=mark: max(there["disk"].life()) >= mark)  # type: ignore[misc]
                assert agent.stop() == 0
            all_is_here(there)
            lives.got.append({name: list(one.life()) for name, one in there.items()})
            lives.known.append(known(agent, container_id))
            for one in there.values():
                one.next_life()
            if not life:
                there["disk"] = Streamed(stack.enter_context(Breaking(port=ports["disk"])), as_json)
    return lives


def come(agent: AgentProcess, one: Destination, count: int) -> None:
    """Waits for so many lines more."""
    enough = len(one.life()) + count
    agent.until(lambda: len(one.life()) > enough)


def all_is_here(there: dict[str, Any]) -> None:
    eventually("all that was sent is here", lambda: all(one.quiet() for one in there.values()))


def known(agent: AgentProcess, container_id: str) -> dict[str, int]:
    """By sink, the last line that the state directory says it to have."""
    checkpoint = Checkpoint(agent.state)
    checkpoint.open()
    position = checkpoint[container_id]
    (ahead,) = checkpoint.ahead(container_id).values() or ({},)
    checkpoint.close()
    assert position is not None
    return {name: ahead.get(name, position.sequence) for name in EXACT}


def scrape(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as page:
            return str(page.read().decode())
    except (urllib.error.URLError, OSError):
        return ""


# ------------------------------------------------------------------------------------ claims


@pytest.mark.parametrize("sink", EXACT)
def test_a_killed_agent_loses_nothing_and_repeats_what_was_not_known_to_have_arrived(
    lives: Lives, sink: str
) -> None:
    """And one that is stopped repeats nothing."""
    next_line = 1
    for got, after in zip(lives.got, lives.known, strict=True):
        lines = got[sink]
        assert lines == list(range(next_line, next_line + len(lines)))
        repeated = lines[-1] - after[sink]
        assert 0 <= repeated <= SOME_SECONDS_WORTH
        next_line = after[sink] + 1
    assert repeated == 0


def test_a_killed_agent_loses_nothing_of_its_disk_and_repeats_what_was_not_noted(
    lives: Lives,
) -> None:
    """The destination is away in the first life. What was on the disk, and not yet known to be, is
    read again behind it; what was sent from there, and not yet noted, is sent again before."""
    came = [number for got in lives.got[1:] for number in got["disk"]]
    new = list(dict.fromkeys(came))
    assert new == list(range(1, 1 + len(new)))
    assert new[-1] >= max(max(got["console"]) for got in lives.got[:-1])
    assert len(came) - len(new) <= KILLS * SOME_SECONDS_WORTH


def test_after_a_kill_the_prometheus_sink_shows_what_there_is(lives: Lives) -> None:
    assert lives.shown == KILLS + 1
