"""Where each sink leads in `benchmarks.sinks`: a real server, or a receiver that only answers as it
must and throws the rest away. A new sink is one more `Way`."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgpack

from tests.servers.certificates import Authority
from tests.servers.kafka import KafkaCluster
from tests.servers.nats import NatsServer
from tests.servers.receivers import server_context
from tests.servers.redis import RedisServer
from tests.servers.s3 import KEYS, S3Server
from tests.servers.victoria import VictoriaLogs

Destination = Callable[[Path], AbstractContextManager[str]]
"""Runs in a folder; gives the sink's settings as TOML."""
Talk = Callable[[socket.socket], None]


@dataclass(frozen=True)
class Way:
    """A sink, as it is configured to be measured."""

    name: str
    kind: str
    to: str
    destination: Destination


# ------------------------------------------------------------------------- that throw things away


def discard(sock: socket.socket) -> None:
    room = bytearray(2**18)
    while sock.recv_into(room):
        pass


def acknowledge_windows(sock: socket.socket) -> None:
    """Lumberjack 2, compressed: `2W` and its count, `2C` and its length."""
    stream = sock.makefile("rb")
    while head := stream.read(6):
        number = struct.unpack(">I", head[2:])[0]
        if head[:2] == b"2W":
            count = number
        else:
            stream.read(number)
            sock.sendall(b"2A" + struct.pack(">I", count))


def acknowledge_chunks(sock: socket.socket) -> None:
    """Forward, packed: the entries are one text that nobody looks into."""
    unpacker = msgpack.Unpacker(raw=True, max_buffer_size=2**28)
    while data := sock.recv(2**18):
        unpacker.feed(data)
        for message in unpacker:
            sock.sendall(msgpack.packb({"ack": message[-1][b"chunk"].decode()}))


@contextmanager
def listening(talk: Talk, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """A port; `talk` has each connection to it, in a thread."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(sock: socket.socket) -> None:
        with suppress(OSError), tls.wrap_socket(sock, server_side=True) if tls else sock as it:
            talk(it)

    def accept() -> None:
        with suppress(OSError):
            while True:
                sock, _ = listener.accept()
                threading.Thread(target=serve, args=(sock,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@contextmanager
def datagrams() -> Iterator[int]:
    """A port of UDP, whose datagrams are read."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        threading.Thread(target=_read_all, args=(sock,), daemon=True).start()
        yield sock.getsockname()[1]


def _read_all(sock: socket.socket) -> None:
    room = bytearray(2**16)
    with suppress(OSError):
        while True:
            sock.recv_into(room)


class _Taking(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def http_taking() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Taking)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


# ------------------------------------------------------------------------------------ destinations


def stream(settings: str, talk: Talk = discard) -> Destination:
    """`settings` with `PORT` in it."""

    @contextmanager
    def there(folder: Path) -> Iterator[str]:
        with listening(talk) as port:
            yield settings.replace("PORT", str(port))

    return there


def tls(settings: str) -> Destination:
    """With `PORT` and `CA` in it."""

    @contextmanager
    def there(folder: Path) -> Iterator[str]:
        authority = Authority(folder / "authority")
        with listening(discard, server_context(authority.issue("server"))) as port:
            yield settings.replace("PORT", str(port)).replace("CA", authority.ca)

    return there


def udp(settings: str) -> Destination:
    @contextmanager
    def there(folder: Path) -> Iterator[str]:
        with datagrams() as port:
            yield settings.replace("PORT", str(port))

    return there


def http(settings: str) -> Destination:
    @contextmanager
    def there(folder: Path) -> Iterator[str]:
        with http_taking() as port:
            yield settings.replace("PORT", str(port))

    return there


def store(settings: str) -> Destination:
    """VictoriaLogs, at `URL`. It is to keep what is a month old."""

    @contextmanager
    def there(folder: Path) -> Iterator[str]:
        with VictoriaLogs(folder) as server:
            yield settings.replace("URL", server.url)

    return there


@contextmanager
def console(folder: Path) -> Iterator[str]:
    yield 'format = "json"'


@contextmanager
def file(folder: Path) -> Iterator[str]:
    yield f'path = "{folder}/out.json"\nrotate = {{ size = "1GiB" }}'


def redis(settings: str = "") -> Destination:
    @contextmanager
    def there(folder: Path) -> Iterator[str]:
        with RedisServer(folder / "redis") as server:
            yield f'address = "{server.address}"\nmax_length = 100_000\n{settings}'

    return there


def kafka(settings: str = "") -> Destination:
    @contextmanager
    def there(folder: Path) -> Iterator[str]:
        with KafkaCluster() as cluster:
            yield f"bootstrap_servers = {cluster.servers}\n{settings}"

    return there


def nats(settings: str = "") -> Destination:
    @contextmanager
    def there(folder: Path) -> Iterator[str]:
        with NatsServer(folder / "nats") as server:
            yield f'urls = ["{server.url}"]\n{settings}'

    return there


def s3(settings: str = "") -> Destination:
    """Objects of 16 MiB, of lines of which nothing is waited for."""

    @contextmanager
    def there(folder: Path) -> Iterator[str]:
        with S3Server(folder) as server:
            yield (
                f'bucket = "logs"\nendpoint = "{server.url}"\npath_style = true\n'
                + "".join(f'{name} = "{value}"\n' for name, value in KEYS.items())
                + f'batch = {{ bytes = "16MiB", entries = 1000000, linger = "100ms" }}\n{settings}'
            )

    return there


NOBODY = "a receiver that reads"
STORE = "VictoriaLogs"
MOCK = "librdkafka's mock cluster"
LOCAL = 'address = "tcp://127.0.0.1:PORT"'
OVER_UDP = 'address = "udp://127.0.0.1:PORT"'
SECURE = 'address = "tls://127.0.0.1:PORT"\ntls = { ca = "CA" }'
LUMBERJACK = 'address = "lumberjack://127.0.0.1:PORT"'
CHUNKS = "a receiver that acknowledges"

WAYS = [
    Way("console", "console", "/dev/null, as JSON", console),
    Way("file", "file", "a file", file),
    Way("syslog, TCP", "syslog", NOBODY, stream(LOCAL)),
    Way("syslog, TLS", "syslog", NOBODY, tls(SECURE)),
    Way("syslog, UDP", "syslog", NOBODY, udp(OVER_UDP)),
    Way("papertrail", "papertrail", NOBODY, tls(SECURE.replace("tls://", ""))),
    Way("logstash, TCP", "logstash", NOBODY, stream(LOCAL)),
    Way("logstash, Lumberjack", "logstash", CHUNKS, stream(LUMBERJACK, acknowledge_windows)),
    Way("gelf, TCP", "gelf", NOBODY, stream(LOCAL)),
    Way("gelf, UDP", "gelf", NOBODY, udp(OVER_UDP)),
    Way("forward", "forward", CHUNKS, stream(LOCAL, acknowledge_chunks)),
    Way(
        "forward, gzip",
        "forward",
        CHUNKS,
        stream(LOCAL + '\ncompression = "gzip"', acknowledge_chunks),
    ),
    Way("http, gzip", "http", "an HTTP server", http('url = "http://127.0.0.1:PORT"')),
    Way(
        "http, zstd",
        "http",
        "an HTTP server",
        http('url = "http://127.0.0.1:PORT"\ncompression = "zstd"'),
    ),
    Way("victorialogs", "victorialogs", STORE, store('url = "URL"')),
    Way("loki", "loki", STORE, store('url = "URL/insert"')),
    Way("elasticsearch", "elasticsearch", STORE, store('urls = ["URL/insert/elasticsearch"]')),
    Way("otlp", "otlp", STORE, store('url = "URL/insert/opentelemetry"')),
    Way("nats", "nats", "nats-server", nats()),
    Way("nats, JSON", "nats", "nats-server", nats('format = "json"')),
    Way("redis", "redis", "redis-server", redis()),
    Way("redis, fields", "redis", "redis-server", redis('format = "fields"')),
    Way("kafka", "kafka", MOCK, kafka()),
    Way("kafka, zstd", "kafka", MOCK, kafka('compression = "zstd"')),
    Way("s3", "s3", "moto's S3", s3()),
    Way("s3, Parquet", "s3", "moto's S3", s3('format = "parquet"')),
]
NO_LOGS = ["prometheus", "prometheus_remote_write"]
