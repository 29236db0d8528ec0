"""What is asked of every program that is compared: the lines of one container, to one receiver.

W1: each line as RFC 5424 over TCP, nothing parsed.
W2: parse the JSON, keep `status == 200 and duration_ms >= 250`, which is half of the lines, add the
container's name, and send JSON lines over TCP. What is sent are the parsed fields, without the text
that they were parsed from, by dockline as by its peers.
W3: the stages of README's route, then all lines as JSON over TCP, with text and parsed fields.
W4: the same for the lines of fifty containers of three kinds, at a pace (`mixed`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from benchmarks import checking
from benchmarks.lines import NAME, is_kept
from benchmarks.receiver import Receiver

Name = Literal["w1", "w2", "w3", "w4"]
Read = Literal["api", "file"]

CONFIG = """\
[engine]
url = "{url}"
[logs]
start = "beginning"
read = "{read}"
containers = 'name == "{container}"'
[stats]
every = "off"
[http]
listen = "off"
[state]
directory = "{state}"
"""
_README = """\
[sinks.out]
type = "logstash"
address = "tcp://127.0.0.1:{port}"
[routes.all]
stages = [
  {{ join = "java" }},
  {{ parse = "auto" }},
  {{ level = "auto" }},
  {{ drop = 'path == "/health" and status < 400' }},
  {{ redact = {{ what = ["email", "card"], keys = ["password"] }} }},
  {{ count = {count} }},
]
to = ["out"]
""".replace(
    "{count}",
    '{{ name = "http_errors", when = "status >= 500", labels = {{ path = "{{path}}" }} }}',
)
"""A test holds that these are README's stages."""
ROUTES = {
    "w3": _README,
    "w4": _README,
    "w1": """\
[sinks.out]
type = "syslog"
address = "tcp://127.0.0.1:{port}"
""",
    "w2": """\
[sinks.out]
type = "logstash"
address = "tcp://127.0.0.1:{port}"
[routes.all]
stages = [
  {{ parse = "json" }},
  {{ keep = "status == 200 and duration_ms >= 250" }},
  {{ remove = ["message"] }},
]
to = ["out"]
""",
}


@dataclass(frozen=True)
class Workload:
    """One of the first three, with so many lines."""

    name: Name
    lines: int

    @property
    def expected(self) -> int:
        """Messages that should come."""
        return sum(map(is_kept, range(self.lines))) if self.name == "w2" else self.lines

    def check(self, receiver: Receiver) -> checking.Verdict:
        """What came of it, over all connections of one receiver."""
        if self.name != "w2":
            return checking.judged(self._came(receiver), range(self.lines))
        wanted = frozenset(filter(is_kept, range(self.lines)))
        return checking.judged(self._came(receiver), wanted)

    def _came(self, receiver: Receiver) -> Iterator[int | None]:
        for connection in receiver.used():
            with connection.content() as content:
                if self.name == "w1":
                    yield from checking.syslog_lines(content)
                else:
                    yield from checking.json_lines(content, NAME)
