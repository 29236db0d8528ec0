"""A shop on a private Engine, to be looked at: three Compose projects of real containers that log,
compute, talk to each other and fail, as those of a small company do.

Each container copies what this process writes into its two FIFOs to standard output and standard
error. What is in the lines is made up here, always in the same order.
"""

from __future__ import annotations

import json
import os
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType

from pipeline.testing.private_engine import PrivateEngine
from pipeline.testing.receivers import TcpReceiver

TICK = 0.1
"""Seconds between two writes."""

_COPY = "cat /fifos/{name}.err >&2 & exec cat /fifos/{name}.out"
_WORK = (
    'blob=$(head -c {bytes} /dev/zero | tr "\\0" x); '
    "while :; do i=0; while [ $i -lt {turns} ]; do i=$((i + 1)); done; "
    "wget -q -T 1 -O /dev/null http://shop-db-1/blob 2>/dev/null; sleep 0.{pause}; done & "
)
_SERVE = "head -c 40000 /dev/urandom >/tmp/blob; httpd -p 80 -h /tmp; "

Lines = Callable[[random.Random], Iterator[tuple[int, str]]]
"""Makes lines without end: 1 for standard output or 2 for standard error, and the line."""


@dataclass(frozen=True)
class Service:
    """One container of a Compose project."""

    name: str
    project: str
    image: str
    lines: Lines
    rate: float
    """Lines a second."""
    before: str = ""
    """Shell commands before it copies lines."""
    options: tuple[str, ...] = ()
    """More of `docker run`."""


# ------------------------------------------------------------------------------- what they say

PATHS = ("/", "/cart", "/checkout", "/products/17", "/products/2041", "/search?q=lamp", "/health")
USERS = ("ada", "grace", "linus", "barbara", "edsger", "hopper")


def web(some: random.Random) -> Iterator[tuple[int, str]]:
    """An API that writes JSON."""
    while True:
        status = some.choices((200, 201, 304, 404, 500, 502), (80, 6, 8, 4, 1, 1))[0]
        level = "error" if status >= 500 else "warn" if status == 404 else "info"
        said = {
            "level": level,
            "msg": {"error": "upstream timed out", "warn": "no such product"}.get(level, "served"),
            "method": some.choice(("GET", "GET", "GET", "POST")),
            "path": some.choice(PATHS),
            "status": status,
            "ms": round(some.lognormvariate(2.4, 0.8), 1),
            "user": some.choice(USERS),
            "trace": f"{some.getrandbits(64):016x}",
        }
        yield 1, json.dumps(said)


def access(some: random.Random) -> Iterator[tuple[int, str]]:
    """A proxy's access log."""
    while True:
        when = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime())
        address = f"203.0.113.{some.randrange(1, 250)}"
        status = some.choices((200, 301, 404, 502), (92, 4, 3, 1))[0]
        size = int(some.lognormvariate(8, 1))
        yield (
            1,
            f'{address} - - [{when}] "GET {some.choice(PATHS)} HTTP/1.1" {status} {size} '
            '"-" "Mozilla/5.0 (X11; Linux x86_64) Firefox/143.0"',
        )


TRACE = """\
Traceback (most recent call last):
  File "/app/worker/tasks.py", line 88, in run
    order = self.orders.load(job.order_id)
  File "/app/worker/orders.py", line 41, in load
    row = self.db.one("select * from orders where id = %s", order_id)
  File "/app/lib/db.py", line 132, in one
    raise NotFound(f"no row for {parameters!r}")
lib.db.NotFound: no row for (48121,)"""


def worker(some: random.Random) -> Iterator[tuple[int, str]]:
    """Colours, and a stack trace now and then."""
    number = 48_100
    while True:
        number += 1
        if some.random() < 0.06:
            yield 2, f"\x1b[31mERROR\x1b[0m job {number} failed after 3 attempts\n{TRACE}"
        elif some.random() < 0.1:
            yield 1, f"\x1b[33mWARN\x1b[0m  job {number} is retried in {some.randrange(2, 30)} s"
        else:
            yield (
                1,
                f"\x1b[32mINFO\x1b[0m  job \x1b[1m{number}\x1b[0m done in {some.random():.2f} s",
            )


def logfmt(some: random.Random) -> Iterator[tuple[int, str]]:
    """What programs in Go write."""
    while True:
        rows = some.randrange(10, 90_000)
        yield 2, f'level=info component=tsdb msg="write block" rows={rows} took={rows // 900}ms'


def postgres(some: random.Random) -> Iterator[tuple[int, str]]:
    while True:
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
        if some.random() < 0.15:
            took = some.randrange(1200, 9000)
            yield 2, f"{when}.102 UTC [71] LOG:  duration: {took}.412 ms  statement: select …"
        else:
            wrote = some.randrange(3, 900)
            yield 2, f"{when}.310 UTC [27] LOG:  checkpoint complete: wrote {wrote} buffers"


def cache(some: random.Random) -> Iterator[tuple[int, str]]:
    while True:
        when = time.strftime("%d %b %Y %H:%M:%S", time.gmtime())
        yield 1, f"1:M {when}.211 * {some.randrange(100, 9999)} changes in 300 seconds. Saving..."


API = _WORK.format(bytes=24_000_000, turns=9_000, pause=5)
WEB = _WORK.format(bytes=9_000_000, turns=900, pause=9)
WORKER = _WORK.format(bytes=60_000_000, turns=20_000, pause=3)
SERVICES = (
    Service("shop-api-1", "shop", "shop/api:1.4", web, 40, API),
    Service("shop-api-2", "shop", "shop/api:1.4", web, 38, API),
    Service("shop-web-1", "shop", "shop/web:2.1", web, 12, WEB),
    Service("shop-worker-1", "shop", "shop/worker:1.4", worker, 9, WORKER),
    Service("shop-db-1", "shop", "postgres:17", postgres, 1.2, _SERVE),
    Service("shop-cache-1", "shop", "redis:8", cache, 0.3),
    Service(
        "shop-mailer-1", "shop", "shop/mailer:0.9", logfmt, 0.5,
        options=("--health-cmd", "exit 1", "--health-interval", "5s", "--health-retries", "1"),
    ),
    Service("edge-traefik-1", "edge", "traefik:3.5", access, 220),
    Service("edge-certs-1", "edge", "edge/certs:2", logfmt, 0.1),
    Service("metrics-prometheus-1", "metrics", "prom/prometheus:v3.6", logfmt, 2),
    Service(
        "metrics-grafana-1", "metrics", "grafana/grafana:12.2", logfmt, 3,
        options=("--health-cmd", "exit 0", "--health-interval", "30s"),
    ),
)  # fmt: skip
FAILING = {
    "shop-importer-1": (
        "shop", "shop/importer:1.4",
        'echo "importing 400,000 products"; exec awk '
        '"BEGIN { for (;;) { s = s sprintf(\\"%400000s\\", 1); system(\\"sleep 1\\") } }"',
        ("--memory", "24m", "--memory-swap", "24m", "--restart", "always"),
    ),
    "shop-cron-1": (
        "shop", "shop/cron:1.0",
        'sleep 2; echo "fatal: no database at db-old:5432" >&2; exit 3',
        ("--restart", "always"),
    ),
    "metrics-backup-1": (
        "metrics", "restic/restic:0.18", 'echo "snapshot 4e1f saved: 1.204 GiB"; exit 0', (),
    ),
}  # fmt: skip
"""Those that end: project, image, command, options."""


class Drain(TcpReceiver):
    """Takes what comes and keeps nothing, as a destination that works."""

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError):
            while connection.recv(1 << 16):
                pass


class Shop:
    """All of it, from `with` to its end. `engine` is one with networks of its own (isolated)."""

    def __init__(self, engine: PrivateEngine) -> None:
        self.engine = engine
        self._folder = engine.directory / "fifos"
        self._end = threading.Event()
        self._writer = threading.Thread(target=self._write, name="shop")
        self._pipes: dict[str, int] = {}

    def __enter__(self) -> Shop:
        self.engine.import_busybox()
        self._folder.mkdir()
        for image in {one.image for one in SERVICES} | {one[1] for one in FAILING.values()}:
            self.engine.docker("tag", "busybox:local", image)
        for project in ("shop", "edge", "metrics"):
            self.engine.docker("network", "create", f"{project}_default")
        for service in SERVICES:
            for end in ("out", "err"):
                path = self._folder / f"{service.name}.{end}"
                os.mkfifo(path)
                self._pipes[path.name] = os.open(path, os.O_RDWR | os.O_NONBLOCK)
            command = service.before + _COPY.format(name=service.name)
            mount = ("--volume", f"{self._folder}:/fifos:ro")
            self._run(
                service.name, service.project, service.image, command, mount + service.options
            )
        for name, (project, image, command, options) in FAILING.items():
            self._run(name, project, image, command, options)
        self._writer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end.set()
        self._writer.join()
        for pipe in self._pipes.values():
            os.close(pipe)

    def _run(
        self, name: str, project: str, image: str, command: str, options: tuple[str, ...]
    ) -> None:
        _, service, number = name.split("-")
        label = "com.docker.compose"
        self.engine.docker(
            "run", "--detach", "--name", name, "--network", f"{project}_default", "--init=false",
            "--label", f"{label}.project={project}", "--label", f"{label}.service={service}",
            "--label", f"{label}.container-number={number}", *options, image, "sh", "-c", command,
        )  # fmt: skip

    def _write(self) -> None:
        some = random.Random(7)
        makers = {one.name: one.lines(some) for one in SERVICES}
        began = time.monotonic()
        done = dict.fromkeys(makers, 0)
        while not self._end.wait(TICK):
            passed = time.monotonic() - began
            wave = 1 + 0.4 * ((passed / 40) % 1)  # the load goes up, and falls again
            for service in SERVICES:
                due = int(passed * service.rate) - done[service.name]
                done[service.name] += due
                text = {1: b"", 2: b""}
                for _ in range(int(due * wave) if due > 3 else due):
                    stream, line = next(makers[service.name])
                    text[stream] += line.encode() + b"\n"
                for stream, end in ((1, "out"), (2, "err")):
                    with suppress(BlockingIOError):
                        os.write(self._pipes[f"{service.name}.{end}"], text[stream])


CONFIG = """
[logs]
start = "beginning"
[stats]
every = "2s"

[sinks.logstash]
type = "logstash"
address = "tcp://127.0.0.1:{logstash}"

[sinks.papertrail]
type = "papertrail"
address = "tcp://127.0.0.1:{papertrail}"
buffer = {{ memory = "64KiB", when_full = "drop_newest" }}

[sinks.archive]
type = "file"
path = "{folder}/archive/%Y-%m-%d.jsonl"

[routes.all]
containers = 'project != "edge"'
stages = [
  {{ join = "python" }},
  {{ parse = "auto" }},
  {{ level = "auto" }},
  {{ drop = 'path == "/health"' }},
  {{ redact = {{ what = ["email", "card"], keys = ["password"] }} }},
]
to = ["logstash", "route:errors"]

[routes.errors]
stages = [
  {{ keep = "level in ('warning', 'error', 'critical') or status >= 500" }},
]
to = ["papertrail"]

[routes.edge]
containers = 'project == "edge"'
stages = [
  {{ parse = "auto" }},
  {{ sample = {{ rate = 0.1, key = "{{remote_addr}}" }} }},
]
to = ["archive"]

[routes.crashes]
from = ["events"]
stages = [{{ keep = "docker.event.exit_code != 0" }}]
to = ["papertrail", "archive"]
"""
"""Of an agent that reads the shop: one sink that works, one that is down and drops, and a file."""
