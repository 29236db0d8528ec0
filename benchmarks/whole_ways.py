"""The ways from a file to a sink that `benchmarks.whole` measures, whole agents beside each other.

A peer's configuration of a way is in `benchmarks/peers/`, as `<peer>-<slug>.yaml` or the like.
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.collector import Kind


@dataclass(frozen=True)
class WholeWay:
    """A sink, as it is configured to be measured, and its destination."""

    slug: str
    sink: str
    """Its type."""
    to: Kind
    settings: str
    """As TOML, with `@PORT@` and `@FOLDER@`."""
    says: str = ""
    """What differs between dockline and its peers."""


PLAIN = 'compression = "none"'

WHOLE_WAYS = (
    WholeWay(
        "elasticsearch", "elasticsearch", "http",
        f'urls = ["http://127.0.0.1:@PORT@"]\n{PLAIN}',
        "ours sets `_id` and asks for statuses only",
    ),
    WholeWay(
        "elasticsearch-gzip", "elasticsearch", "http", 'urls = ["http://127.0.0.1:@PORT@"]',
    ),
    WholeWay("otlp", "otlp", "http", f'url = "http://127.0.0.1:@PORT@"\n{PLAIN}'),
    WholeWay("otlp-gzip", "otlp", "http", 'url = "http://127.0.0.1:@PORT@"'),
    WholeWay(
        "loki", "loki", "http", 'url = "http://127.0.0.1:@PORT@"',
        "each by default: ours protobuf and snappy, Fluent Bit's JSON",
    ),
    WholeWay(
        "loki-json", "loki", "http",
        f'url = "http://127.0.0.1:@PORT@"\nencoding = "json"\n{PLAIN}',
    ),
    WholeWay("http", "http", "http", f'url = "http://127.0.0.1:@PORT@"\n{PLAIN}', "JSON lines"),
    WholeWay("http-gzip", "http", "http", 'url = "http://127.0.0.1:@PORT@"', "JSON lines"),
    WholeWay(
        "victorialogs", "victorialogs", "http", f'url = "http://127.0.0.1:@PORT@"\n{PLAIN}',
        "JSON lines",
    ),
    WholeWay("logstash", "logstash", "stream", 'address = "tcp://127.0.0.1:@PORT@"', "JSON lines"),
    WholeWay("forward", "forward", "forward", 'address = "tcp://127.0.0.1:@PORT@"', "acknowledged"),
    WholeWay("gelf-tcp", "gelf", "stream", 'address = "tcp://127.0.0.1:@PORT@"'),
    WholeWay(
        "gelf-udp", "gelf", "datagrams", f'address = "udp://127.0.0.1:@PORT@"\n{PLAIN}',
    ),
    WholeWay(
        "gelf-udp-gzip", "gelf", "datagrams", 'address = "udp://127.0.0.1:@PORT@"',
        "each by default: gzip",
    ),
    WholeWay("syslog-tcp", "syslog", "stream", 'address = "tcp://127.0.0.1:@PORT@"'),
    WholeWay("syslog-udp", "syslog", "datagrams", 'address = "udp://127.0.0.1:@PORT@"'),
    WholeWay(
        "nats-json", "nats", "nats", 'urls = ["nats://127.0.0.1:@PORT@"]\nformat = "json"',
        "ours a message an entry, acknowledged by JetStream; Fluent Bit's an array a chunk, "
        "not acknowledged",
    ),
    WholeWay(
        "nats-columns", "nats", "columns", 'urls = ["nats://127.0.0.1:@PORT@"]',
        "many entries a message: ours compressed columns, acknowledged by JetStream; Fluent Bit's "
        "an array a chunk, not acknowledged",
    ),
    WholeWay("file", "file", "file", 'path = "@FOLDER@/out"\nrotate = { size = "1GiB" }'),
)  # fmt: skip

NO_WAY = {
    "console": "is for a terminal",
    "kafka": "Fluent Bit has it only where it is built with librdkafka",
    "papertrail": "is syslog over TLS",
    "prometheus": "takes no logs",
    "prometheus_remote_write": "takes no logs",
    "redis": "Fluent Bit has no such output",
    "s3": "is not compared yet",
}
"""Sinks without a way, and why."""
