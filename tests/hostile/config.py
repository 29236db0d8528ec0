"""The configuration of the agent that is attacked: every stage, several sources and sinks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

STAGES: Final[Mapping[str, str]] = {
    "json": '{ parse = "json" }, { level = "auto" }, { keep = "message != \'x\' or a.b > 1" }',
    "logfmt": '{ parse = "logfmt" }, { rename = { a = "b" } }, { dedupe = { within = "1s" } }',
    "auto": '{ parse = "auto" }, { set = { who = "{container.name}/{message}" } }',
    "nginx": '{ parse = "nginx" }, { sample = 3 }',
    "apache": '{ parse = "apache" }, { throttle = { rate = 50000, key = "{path}" } }',
    "syslog": '{ parse = "syslog" }, { truncate = { message = "8KiB", depth = 5 } }',
    "klog": '{ parse = "klog" }, { drop = "message.startswith(\'GET\')" }',
    "regex": "{ parse = { regex = '^(?P<a>[^:]+):(?P<b>.*)$' } }",
    "redact": '{ redact = { what = ["email", "card", "ip", "jwt", "aws_key", "bearer"], '
    "keys = [\"password\"], patterns = ['secret=\\S+'] } }",
    "hash": '{ parse = "json" }, { redact = { what = ["email", "ip"], with = "sha256" } }',
    "split": '{ parse = "json" }, { split = "records" }, { split = "message" }',
    "metrics": '{ count = { name = "hostile", labels = { line = "{message}" } } }, '
    '{ observe = { name = "sizes", value = "n" } }',
    "time": '{ parse = "json" }, { time = "ts" }, { remove = ["ts"] }',
    "start": "{ join = { start = '^\\d' } }",
    "continue": "{ join = { continue = '^\\s' } }",
    "nothing": "",
    "hide": '{ parse = "json" }, { redact = { keys = ["password"] } }',
}
"""What the routes do, each chosen by a container's label `hostile.stage`."""

_HEAD = """\
[logs]
start = "beginning"
[agent]
shutdown = "5s"
[events]
last_lines = 50
[sources.open]
type = "forward"
listen = "0.0.0.0:{forward}"
max_unpacked = "16MiB"
[sources.keyed]
type = "forward"
listen = "0.0.0.0:{keyed}"
shared_key = "a key that nobody has"
[sources.messages]
type = "syslog"
listen = "tcp://0.0.0.0:{syslog_tcp}"
[sources.datagrams]
type = "syslog"
listen = "udp://0.0.0.0:{syslog_udp}"
[sinks.honest]
type = "file"
path = "{folder}/honest.ndjson"
rotate.size = 0
[sinks.all]
type = "file"
path = "{folder}/all.ndjson"
rotate = {{ size = "32MiB", keep = 1 }}
buffer.memory = "8MiB"
[sinks.hidden]
type = "file"
path = "{folder}/hidden.ndjson"
rotate = {{ size = "32MiB", keep = 2 }}
buffer.memory = "8MiB"
[sinks.syslog]
type = "syslog"
address = "tcp://127.0.0.1:{drain}"
buffer.memory = "8MiB"
[sinks.lines]
type = "logstash"
address = "tcp://127.0.0.1:{drain}"
buffer.memory = "8MiB"
[sinks.http]
type = "http"
url = "http://127.0.0.1:{http}/"
buffer.memory = "8MiB"
[sinks.loki]
type = "loki"
url = "http://127.0.0.1:{http}"
buffer.memory = "8MiB"
[sinks.otlp]
type = "otlp"
url = "http://127.0.0.1:{http}"
buffer.memory = "8MiB"
[sinks.gelf]
type = "gelf"
address = "tcp://127.0.0.1:{drain}"
buffer.memory = "8MiB"
[sinks.sour]
type = "http"
url = "http://127.0.0.1:{sour}/"
timeout = "5s"
retry.max = "2s"
buffer = {{ memory = "8MiB", disk = "64MiB", when_full = "drop_oldest" }}
[routes.honest]
containers = 'name.startswith("honest")'
to = ["honest"]
[routes.events]
from = ["events"]
to = ["all", "lines"]
[routes.clients]
from = ["open", "keyed", "messages", "datagrams"]
stages = [{{ parse = "json" }}, {{ redact = ["email", "card"] }}]
to = ["all", "otlp", "sour"]
[routes.secrets]
from = ["open"]
stages = [{{ redact = {{ keys = ["password"] }} }}]
to = ["hidden"]
"""
_ROUTE = """\
[routes.{name}]
containers = 'labels["hostile.stage"] == "{name}"'
stages = [{stages}]
to = {to}
"""
_OTHERS: Final = ("syslog", "lines", "http", "loki", "otlp", "gelf", "sour")


def configuration(folder: str, ports: Mapping[str, int]) -> str:
    """TOML, without what the agent's process is given by its keeper. `ports`: of our peers
    (`drain`, `http`, `sour`) and of the agent's sources."""
    routes = [
        _ROUTE.format(
            name=name,
            stages=stages,
            to='["hidden"]' if name == "hide" else f'["all", "{_OTHERS[number % len(_OTHERS)]}"]',
        )
        for number, (name, stages) in enumerate(STAGES.items())
    ]
    return _HEAD.format(folder=folder, **ports) + "".join(routes)
