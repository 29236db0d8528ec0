"""Whatever a container writes or is called, its lines come out, and so do those that follow.

One agent runs through all of these tests, with the stages `parse`, `keep` and `set` before every
kind of sink. A line of sense after each piece of nonsense has to reach all of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from pipeline.testing.agent_process import AgentProcess
from pipeline.testing.private_engine import PrivateEngine
from pipeline.testing.receivers import JsonLinesReceiver, SyslogReceiver
from tests.servers.prometheus import promtool

MOST_MEMORY = 200
"""MiB that the agent may ever have had, after all of this."""
MAX_LINE = 1 << 20
SENTINEL = b"all is well"
EVENT = re.compile(rb"created|started|removed|exited with code 0( after .*)?")

CONFIG = """
[logs]
containers = 'name.startswith("bad-")'
[stats]
every = "500ms"
labels = ["evil", "evil.a", "evil-a", "evil\\u0022", "long"]
[sinks.out]
type = "console"
[sinks.file]
type = "file"
path = "{folder}/lines"
[sinks.text]
type = "file"
path = "{folder}/text"
format = "text"
[sinks.syslog]
type = "syslog"
address = "tcp://127.0.0.1:{syslog}"
[sinks.logstash]
type = "logstash"
address = "tcp://127.0.0.1:{logstash}"
[routes.everything]
stages = [
  {{ parse = "auto" }},
  {{ keep = "not (level == 'never') and not (status > 1e6 and matches(message, r'^never'))" }},
  {{ set = {{ who = "{{container.name}}/{{stream}}", copy = "{{level}}{{a}}", deep.er = 1 }} }},
]
to = ["out", "file", "text", "syslog", "logstash"]
[routes.events]
from = ["events"]
to = ["out", "file", "text", "syslog", "logstash"]
"""


class Lines:
    """JSON lines of a file that grows, each parsed once: every one of them must be an object."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._rest = b""
        self.entries: list[dict[str, Any]] = []

    def read(self) -> list[dict[str, Any]]:
        if self._path.exists():
            with self._path.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
            self._offset += len(data)
            *lines, self._rest = (self._rest + data).split(b"\n")
            self.entries += [json.loads(line) for line in lines]
        return self.entries


class Agent:
    """The agent, and what came out of each of its sinks."""

    def __init__(self, process: AgentProcess, syslog: Any, logstash: Any) -> None:
        self.process = process
        self.syslog: SyslogReceiver = syslog
        self.logstash: JsonLinesReceiver = logstash
        self._out = Lines(process.folder / "out")
        self._file = Lines(process.folder / "lines")

    def entries(self, name: str) -> dict[str, list[dict[str, Any]]]:
        """What each JSON sink has of a container's log."""
        kinds = {"console": self._out.read(), "file": self._file.read()}
        kinds["logstash"] = list(self.logstash.entries)
        return {kind: _logs_of(name, entries) for kind, entries in kinds.items()}

    def messages(self, name: str) -> list[bytes]:
        """What syslog has of it; events come without a stream, so by their text."""
        mine = [m for m in list(self.syslog.messages) if m["app"] == name[:48].encode()]
        return [m["message"] for m in mine if not EVENT.fullmatch(m["message"])]

    def arrived(self, name: str) -> bool:
        text = SENTINEL.decode()
        everywhere = [list_[-1:] for list_ in self.entries(name).values()]
        return self.messages(name)[-1:] == [SENTINEL] and all(
            last and last[0]["message"] == text for last in everywhere
        )

    def check(self) -> None:
        """Nothing that a user would have to be afraid of."""
        assert "Traceback" not in self.process.said, self.process.said[-4000:]
        assert "ERROR" not in self.process.said, self.process.said[-4000:]
        assert self.syslog.errors == []
        assert self.logstash.errors == []


def _logs_of(name: str, entries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        entry
        for entry in entries
        if entry["container"]["name"] == name and entry["event"]["dataset"] == "docker.logs"
    ]


DEEP = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
KEYS = b"{" + b",".join(b'"k%d":%d' % (n, n) for n in range(10_000)) + b"}"
OURS = {
    "message": 1, "@timestamp": "never", "event": 5, "log": {"level": []}, "stream": [],
    "container": {"name": "another"}, "host": "h", "ecs": {}, "fields": "y", "orchestrator": None,
    "": "empty", "level": {"a": 1}, "who": "me", "deep": 3,
}  # fmt: skip

PAYLOADS: dict[str, list[bytes]] = {
    "utf8": [b"\xff\xfe\xc3 text", b"\xed\xa0\x80", b"\xc3", b"\xf0\x9f\x98", b"\xef\xbb\xbfBOM"],
    "control": [
        bytes(range(1, 10)) + bytes(range(11, 32)) + b"\x7f", b"\0", b"a\0b", b"\r", b"a\rb\r",
        b"\x1b[2J\x1b]0;title\x07\x1b[31mred", "\u0085\u2028\u202e\ufeff".encode(), b"\x7f" * 9,
    ],
    "empty": [b"", b" ", b"\t", b"", b""],
    "formats": [
        b"%s %d %% %(x)s", b"{message} {} {0} {{", b"<13>1 - - - - - - 7 <13>", b"17 <13>1 x",
        b"\\n\\u0000\\", b"'\"`$(reboot)", b"2026-01-31T23:59:59.123456789Z not the time",
    ],
    "broken-json": [
        b"{", b"}", b'{"level":', b'{"a":1}}', b"[1", b"2]", b'{"a":1},{"a":2}', b'{"a" 1}',
        b"{'a':1}", b"null", b"1", b'"text"', b"{}", b"[]", b'{"a":"\xff"}', b'\xef\xbb\xbf{"a":1}',
        b'{"a":01}', b'{"a":"\t"}', b'{"a":"\\ud800"}', b'{"\\ud800":"\\udfff\\ud800"}',
    ],
    "deep-json": [DEEP, b"[" * 100_000, b'{"a":' + b"[" * 500 + b"]" * 500 + b"}"],
    "wide-json": [
        KEYS, b'{"a":[' + b"{}," * 20_000 + b"0]}", b'{"a":[' + b"{}," * 300_000 + b"0]}",
        b'{"' + b"k" * 500_000 + b'":1}',
    ],
    "duplicate-keys": [b'{"a":1,"a":2}', b'{"level":"never","level":"info"}', b"a=1 a=2 b=3"],
    "numbers": [
        b'{"a":1' + b"0" * 999 + b"}", b'{"a":-1' + b"0" * 4999 + b"}", b'{"a":1e999}',
        b'{"a":NaN}', b'{"a":[Infinity,-Infinity]}', b'{"a":-0.0}', b'{"a":18446744073709551616}',
        b'{"level":1' + b"0" * 999 + b"}", b'{"level":NaN}', b'{"status":1e308}',
        b"a=nan b=inf c=1",
    ],
    "reserved": [json.dumps(OURS).encode(), b'{"message":null}', b'{"message":{"a":["b"]}}'],
    "logfmt": [
        b'level=info msg="a \\"b\\" \\', b'a="unclosed b=1', b"= = =", b"a=b=c d=e", b"=" * 9,
    ],
    "long": [b"x" * 16_383, b"x" * 16_384, b"x" * 16_385, b"x" * 40_000, b"\xc3\xa9" * 20_000],
}  # fmt: skip

FIELDS: dict[str, Callable[[list[dict[str, Any]]], bool]] = {
    "duplicate-keys": lambda e: (e[0]["a"], e[1]["level"], e[2]["a"]) == (2, "info", "2"),
    "numbers": lambda e: e[0]["a"] == 10**999 and e[6]["a"] == 2**64,
    "wide-json": lambda e: e[0]["k9999"] == 9999 and len(e[1]["a"]) == 20_001 and "a" not in e[2],
    "reserved": lambda e: (
        e[0]["fields"]["container"] == {"name": "another"}
        and e[0]["who"] == "bad-reserved/stdout"
        and e[0]["deep.er"] == 1
        and e[2]["fields"]["message"] == {"a": ["b"]}
    ),
    "broken-json": lambda e: "a" not in e[3] and e[14]["a"] == "\ufffd" and e[15]["a"] == 1,
}
"""What the parsed fields have to be, beside that the message is as it was."""


@pytest.fixture(scope="module")
def payloads(engine: PrivateEngine) -> str:
    """Busybox with each payload as a file."""
    files = {f"/bad/{name}": b"\n".join(lines) + b"\n" for name, lines in PAYLOADS.items()}
    return engine.import_busybox("bad-input:local", files)


@pytest.fixture(scope="module")
def agent(engine: PrivateEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    folder = tmp_path_factory.mktemp("bad-input")
    with SyslogReceiver() as syslog, JsonLinesReceiver() as logstash:
        config = CONFIG.format(folder=folder, syslog=syslog.port, logstash=logstash.port)
        with AgentProcess(folder, engine.url, config) as process:
            process.connected()
            one = Agent(process, syslog, logstash)
            yield one
            assert process.stop() == 0
            one.check()
        names = engine.docker("ps", "--all", "--format", "{{.Names}}").split()
        engine.docker("rm", "--force", *[name for name in names if name.startswith("bad-")])


def run(engine: PrivateEngine, payloads: str, name: str, script: str, *options: str) -> None:
    """The `local` driver keeps bytes as they are; json-file has replaced what is not UTF-8."""
    engine.docker(
        "run", "--detach", "--network", "none", "--log-driver", "local", "--name", name, *options,
        payloads, "sh", "-c", f"{script}; echo {SENTINEL.decode()}",
    )  # fmt: skip


@pytest.mark.fault(6, 23)
@pytest.mark.parametrize("payload", PAYLOADS)
def test_every_line_comes_out_of_every_sink_as_it_was(
    agent: Agent, engine: PrivateEngine, payloads: str, payload: str
) -> None:
    name = f"bad-{payload}"
    run(engine, payloads, name, f"cat /bad/{payload}")
    agent.process.until(lambda: agent.arrived(name), f"{payload} held up what came after it")
    expected = [line[:MAX_LINE] for line in [*PAYLOADS[payload], SENTINEL]]
    texts = [line.decode(errors="replace") for line in expected]
    for kind, entries in agent.entries(name).items():
        assert [entry["message"] for entry in entries] == texts, kind
        assert [entry["event"]["sequence"] for entry in entries] == list(range(1, len(texts) + 1))
        assert FIELDS.get(payload, bool)(entries), kind
    for got, line in zip(agent.messages(name), expected, strict=True):
        whole = line.replace(b"\0", b" ")
        assert got == whole if len(line) < 7000 else whole.startswith(got) and len(got) > 7000
    agent.check()


@pytest.mark.fault(3)
def test_a_line_of_ten_megabytes_is_cut_marked_and_followed_by_the_next(
    agent: Agent, engine: PrivateEngine, payloads: str
) -> None:
    run(engine, payloads, "bad-ten", "head -c 10485760 /dev/zero | tr '\\0' x; echo")
    agent.process.until(lambda: agent.arrived("bad-ten"))
    for entries in agent.entries("bad-ten").values():
        assert [len(entry["message"]) for entry in entries] == [MAX_LINE, len(SENTINEL)]
        assert entries[0]["log"]["flags"] == ["truncated"]
    agent.check()


@pytest.mark.fault(3)
@pytest.mark.parametrize("terminal", [[], ["--tty"]], ids=["frames", "tty"])
def test_a_hundred_megabytes_without_a_newline_stay_within_bounds(
    agent: Agent, engine: PrivateEngine, payloads: str, terminal: list[str]
) -> None:
    name = "bad-hundred" + "-tty" * len(terminal)
    run(engine, payloads, name, "head -c 104857600 /dev/zero | tr '\\0' x; echo", *terminal)
    agent.process.until(lambda: agent.arrived(name))
    for entries in agent.entries(name).values():
        assert [len(entry["message"]) for entry in entries] == [MAX_LINE, len(SENTINEL)]
    assert memory(agent) < MOST_MEMORY
    agent.check()


LABELS = {
    "evil": 'new\nline "quotes" back\\slash {brace="x"} 1\n# TYPE up gauge',
    "evil.a": "a dot",
    "evil-a": "a dash",
    'evil"': "\x01\x1b[31m\x7f\u2028\U0001f600",
    "long": "x" * 65_536,
    "exitCode": "9" * 5000,
    "oldName": "/somebody",
    "signal": "\n",
    "name": "another",
    "image": "another",
    "com.docker.compose.project": "%s %n ",
    "com.docker.compose.service": " \n<13>1 evil ]",
    "dockline.route": "nowhere\n",
    "dockline.parse": "nonsense",
}
"""Some are called as the Engine calls attributes of its events, among which they stand."""


def test_labels_with_any_text_break_neither_lines_nor_metrics(
    agent: Agent, engine: PrivateEngine, payloads: str
) -> None:
    options = [f"--label={key}={value}" for key, value in LABELS.items()]
    options.append(b"--label=surrogate=\xed\xa0\x80\xff".decode(errors="surrogateescape"))
    script = "trap go=1 USR1; echo first; while [ ! $go ]; do sleep 0.1; done"
    run(engine, payloads, "bad-labels", script, *options)
    agent.process.until(
        lambda: 'name="bad-labels"' in agent.process.get("/metrics")[1], "no figures of it"
    )
    done = promtool("check", "metrics", stdin=agent.process.get("/metrics")[1].encode())
    said = done.stderr.decode() + done.stdout.decode()
    assert "error while linting" not in said, said
    assert done.returncode in (0, 3), said  # 3: remarks about names, which are cAdvisor's
    agent.process.until(lambda: agent.entries("bad-labels")["console"])
    engine.docker("kill", "--signal", "USR1", "bad-labels")
    agent.process.until(
        lambda: all(len(entries) == 2 for entries in agent.entries("bad-labels").values())
    )
    for entries in agent.entries("bad-labels").values():
        labels = entries[0]["container"]["labels"]
        assert labels["evil"] == LABELS["evil"]
        assert labels["long"] == LABELS["long"]
        assert (
            entries[0]["orchestrator"]["resource"]["name"] == LABELS["com.docker.compose.service"]
        )
    agent.process.until(
        lambda: b"__<13>1_evil_]" in {message["app"] for message in list(agent.syslog.messages)}
    )
    agent.check()


@pytest.mark.parametrize(
    "name", ["bad-" + "n" * 200, "bad-null", "bad-0.0_-.-"], ids=["long", "null", "signs"]
)
def test_odd_names_come_out(agent: Agent, engine: PrivateEngine, payloads: str, name: str) -> None:
    run(engine, payloads, name, "true")
    agent.process.until(lambda: agent.arrived(name))
    agent.check()


def test_after_all_of_this_the_agent_is_well(agent: Agent) -> None:
    done = promtool("check", "metrics", stdin=agent.process.get("/metrics")[1].encode())
    assert done.returncode in (0, 3), done.stderr
    assert memory(agent) < MOST_MEMORY
    assert agent.process.get("/readyz") == (200, "ok\n")
    text = (agent.process.folder / "text").read_bytes()
    assert not re.search(rb"[\x00-\x08\x0b-\x1f\x7f]", text)
    agent.check()


def memory(agent: Agent) -> float:
    """The most that the agent has had at any time, in MiB."""
    status = Path(f"/proc/{agent.process.process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024
