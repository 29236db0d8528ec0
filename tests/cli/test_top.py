"""`dockline top`, against a real agent on a real Engine, in a real pseudo-terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.cli import main
from pipeline.testing.agent_process import AgentProcess
from pipeline.testing.private_engine import PrivateEngine
from pipeline.testing.receivers import JsonLinesReceiver
from tests.servers.ports import free_port

PATIENCE = 60.0
NAMES = ["topped-api-1", "topped-worker-1"]
CONFIG = """
[stats]
every = "1s"
[logs]
containers = 'name.startswith("topped-")'
[sinks.good]
type = "logstash"
address = "tcp://127.0.0.1:{good}"
[sinks.away]
type = "syslog"
address = "tcp://127.0.0.1:1"
buffer = {{ memory = "64KiB", when_full = "drop_newest" }}
[routes.some]
stages = [{{ keep = "'7' in message" }}]
to = ["good"]
[routes.all]
to = ["away"]
"""
COUNTING = """
n=0
while true; do
  i=0; while [ $i -lt 20 ]; do i=$((i+1)); n=$((n+1)); echo line $n; done
  usleep 50000
done
"""


@contextmanager
def running(engine: PrivateEngine, folder: Path) -> Iterator[AgentProcess]:
    with (
        JsonLinesReceiver() as good,
        with_port(AgentProcess(folder, engine.url, CONFIG.format(good=good.port))) as agent,
    ):
        agent.connected()
        yield agent


def with_port(agent: AgentProcess) -> AgentProcess:
    """The same one after a restart."""
    config = agent.config.read_text()
    agent.config.write_text(config.replace("127.0.0.1:0", f"127.0.0.1:{free_port()}"))
    return agent


@pytest.fixture(scope="module")
def agent(
    engine: PrivateEngine, busybox: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AgentProcess]:
    """One for all tests; what ends it starts it again."""
    with running(engine, tmp_path_factory.mktemp("top")) as agent:
        try:
            for name in NAMES:
                engine.docker(
                    "run", "--detach", "--network", "none", "--name", name, busybox,
                    "sh", "-c", COUNTING,
                )  # fmt: skip
            agent.until(lambda: agent.metric("dockline_containers") == 2)
            yield agent
        finally:
            engine.docker("rm", "--force", *NAMES)


LAST = b"<last>"


def figure(text: str) -> float:
    """What `1.2k` says."""
    factor = {"k": 1e3, "M": 1e6}.get(text[-1])
    return float(text[:-1]) * factor if factor else float(text)


class Terminal:
    """A command in a terminal of a size, and what it shows."""

    def __init__(self, *command: str, columns: int = 80, lines: int = 24) -> None:
        self._ours, self.theirs = pty.openpty()
        self.resize(columns, lines)
        self.settings = termios.tcgetattr(self.theirs)
        self.output = b""
        # What a session's first process opens becomes its controlling terminal.
        here = ["sh", "-c", 'exec "$@" <"$0" >"$0" 2>&1', os.ttyname(self.theirs)]
        self.process = subprocess.Popen(
            [*here, *command],
            env={**os.environ, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"},
            start_new_session=True,
        )

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.theirs)
        os.close(self._ours)

    def resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def type(self, keys: bytes) -> None:
        os.write(self._ours, keys)

    @property
    def screen(self) -> list[str]:
        """The lines of the last whole picture."""
        pictures = self.output.decode(errors="replace").split("\x1b[H")[1:]
        whole = [one for one in pictures if one.endswith("\x1b[J") or "\x1b[J" in one]
        picture = whole[-1].partition("\x1b[J")[0] if whole else ""
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\r", "", picture).split("\n")

    def until(self, holds: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not holds():
            if time.monotonic() > deadline:
                raise AssertionError("it does not show:\n" + "\n".join(self.screen))
            self._read(0.1)

    def shows(self, text: str) -> None:
        self.until(lambda: any(text in line for line in self.screen))

    def row(self, name: str) -> list[str]:
        """The cells of a row."""
        return next((line.split() for line in self.screen if line.startswith(name)), [])

    def cells(self, name: str) -> dict[str, str]:
        """The cells of a row, by the titles of its table; none while it is not there."""
        titles: list[str] = []
        for line in self.screen:
            cells = re.split(r"\s{2,}", line.strip())
            if cells[0].rstrip("^v") in ("CONTAINER", "ROUTE", "SINK"):
                titles = [title.rstrip("^v") for title in cells]
            elif cells[0] == name:
                return dict(zip(titles, cells, strict=True))
        return {}

    def rates(self, name: str, *titles: str) -> list[float]:
        """The figures of a row in these columns; none while they are unknown."""
        known = self.cells(name)
        cells = [known.get(title, "-") for title in titles]
        return [] if "-" in cells else [figure(cell) for cell in cells]

    def ends(self) -> int:
        deadline = time.monotonic() + PATIENCE
        while self.process.poll() is None and time.monotonic() < deadline:
            self._read(0.05)
        status = self.process.wait(1)
        os.write(self.theirs, LAST)  # behind all that it has written
        while not self.output.endswith(LAST) and time.monotonic() < deadline:
            self._read(0.05)
        self.output = self.output.removesuffix(LAST)
        return status

    def _read(self, seconds: float) -> None:
        if select.select([self._ours], [], [], seconds)[0]:
            self.output += os.read(self._ours, 1 << 16)

    def is_as_before(self) -> bool:
        """The terminal was given back."""
        given_back = self.output.rstrip().endswith(b"\x1b[?25h\x1b[?1049l")
        return given_back and termios.tcgetattr(self.theirs) == self.settings


def command(agent: AgentProcess, *options: str) -> list[str]:
    where = ["-c", str(agent.config), "--url", f"http://{agent.address}"]
    return [sys.executable, "-m", "pipeline", "top", *where, *options]


@pytest.fixture
def terminal(agent: AgentProcess) -> Iterator[Terminal]:
    with Terminal(*command(agent, "--every", "0.3")) as terminal:
        terminal.until(lambda: len(terminal.row(NAMES[0])) > 2)
        yield terminal


def test_rates_buffers_drops_and_what_is_wrong_are_seen_at_80_by_24(terminal: Terminal) -> None:
    terminal.until(
        lambda: all(
            sum(terminal.rates(name, title)) > 0
            for name, title in ((NAMES[0], "LINES/S"), ("good", "OUT/S"), ("some", "IN/S"))
        )
    )
    screen = terminal.screen
    came, left, filtered = terminal.rates("some", "IN/S", "OUT/S", "FILTERED/S")
    assert len(screen) == 24
    assert max(map(len, screen)) <= 80
    assert "2 containers" in screen[0]
    assert came == pytest.approx(left + filtered, rel=0.1)
    terminal.until(lambda: terminal.row("good")[1] == "up" and terminal.row("away")[1] == "down")
    terminal.shows("drop_newest; tcp://127.0.0.1:1 refused the connection")


def test_state_cpu_memory_and_restarts_come_from_the_engine(
    agent: AgentProcess, engine: PrivateEngine, busybox: str
) -> None:
    name = "topped-crash"
    engine.docker(
        "run", "--detach", "--network", "none", "--name", name, busybox, "sh", "-c", "exit 3"
    )
    try:
        with Terminal(*command(agent, "--every", "0.5"), columns=160) as terminal:
            terminal.until(lambda: terminal.cells(NAMES[0]).get("CPU", "-") != "-")
            cells = terminal.cells(NAMES[0])
            assert cells["STATE"] == "running"
            assert cells["CPU"].endswith("%")
            assert cells["MEMORY"][-1] in "KM"
            assert cells["RESTARTS"] == "0"
            terminal.until(lambda: terminal.cells(name).get("STATE") == "exited 3")
            assert terminal.cells(name)["CPU"] == "-"
            terminal.type(b"/exited\r")
            terminal.until(lambda: not terminal.cells(NAMES[0]))
            terminal.shows("1 of 3 containers")
    finally:
        engine.docker("rm", "--force", name)


def test_a_question_mark_shows_the_keys_and_what_columns_mean(terminal: Terminal) -> None:
    terminal.type(b"?")
    terminal.shows("entries that each stage has left out")
    assert max(map(len, terminal.screen)) <= 80
    terminal.type(b"?")
    terminal.until(lambda: terminal.row(NAMES[0]))


def test_an_agent_without_the_page_is_watched_without_figures(
    engine: PrivateEngine, busybox: str, tmp_path: Path
) -> None:
    agent = AgentProcess(tmp_path, engine.url, "")
    agent.config.write_text(agent.config.read_text().replace("[http]", "[http]\npage = false"))
    with agent:
        agent.connected()
        with Terminal(*command(agent, "--every", "0.3")) as terminal:
            terminal.shows("no CPU, memory and state: ")
            terminal.shows("CONTAINER")


def test_q_ends_it_and_the_terminal_is_as_before(terminal: Terminal) -> None:
    terminal.type(b"q")
    assert terminal.ends() == 0
    assert terminal.is_as_before()


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 0), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_so_it_is_after_a_signal(number: int, status: int, terminal: Terminal) -> None:
    terminal.process.send_signal(number)
    assert terminal.ends() == status
    assert terminal.is_as_before()
    assert b"Traceback" not in terminal.output


def test_ctrl_c_ends_it(terminal: Terminal) -> None:
    terminal.type(b"\x03")
    assert terminal.ends() == 0
    assert terminal.is_as_before()


def test_suspended_it_gives_the_terminal_back_and_takes_it_again(agent: AgentProcess) -> None:
    shell = ["bash", "-mc", '"$@"; echo suspended; read line; fg >/dev/null', "bash"]
    with Terminal(*shell, *command(agent, "--every", "0.3")) as terminal:
        terminal.until(lambda: terminal.row(NAMES[0]))
        terminal.type(b"\x1a")
        terminal.until(lambda: b"suspended" in terminal.output)
        assert b"\x1b[?25h\x1b[?1049l" in terminal.output
        assert termios.tcgetattr(terminal.theirs) == terminal.settings
        before = len(terminal.output)
        terminal.type(b"\n")
        terminal.until(lambda: b"\x1b[?1049h" in terminal.output[before:])
        terminal.until(lambda: terminal.row(NAMES[0]))
        terminal.type(b"q")
        assert terminal.ends() == 0
        assert terminal.is_as_before()


def test_a_change_of_size_is_followed(terminal: Terminal) -> None:
    terminal.resize(50, 12)
    terminal.until(lambda: len(terminal.screen) == 12)
    assert max(map(len, terminal.screen)) <= 50
    terminal.resize(120, 40)
    terminal.until(lambda: len(terminal.screen) == 40)


def test_a_filter_is_typed(terminal: Terminal) -> None:
    terminal.type(b"/work")
    terminal.until(lambda: not terminal.row(NAMES[0]) and terminal.row(NAMES[1]))
    terminal.shows("/work_")
    terminal.type(b"\r")
    terminal.shows("1 of 2 containers")
    terminal.type(b"\x1b")
    terminal.until(lambda: terminal.row(NAMES[0]))


def test_columns_sort(terminal: Terminal) -> None:
    terminal.type(b"n")
    terminal.shows("CONTAINER^")
    order = [line.split()[0] for line in terminal.screen if line.startswith("topped-")]
    assert order == NAMES
    terminal.type(b"r")
    terminal.shows("CONTAINERv")
    order = [line.split()[0] for line in terminal.screen if line.startswith("topped-")]
    assert order == NAMES[::-1]


def test_an_agent_that_goes_away_and_comes_back_is_waited_for(agent: AgentProcess) -> None:
    with Terminal(*command(agent, "--every", "1.5")) as terminal:
        terminal.until(lambda: terminal.row(NAMES[0]))
        agent.process.kill()
        agent.process.wait()
        terminal.shows("waiting for the agent, away for")
        assert terminal.row(NAMES[0])
        agent.start()
        # It stands there until the next answer.
        terminal.until(lambda: b"the agent was restarted" in terminal.output)
        terminal.shows("dockline on ")
        terminal.until(lambda: sum(terminal.rates(NAMES[0], "LINES/S")) > 0)


@pytest.mark.parametrize("options", [[], ["--once"]])
def test_without_a_terminal_it_prints_one_snapshot(agent: AgentProcess, options: list[str]) -> None:
    done = subprocess.run(
        command(agent, *options), capture_output=True, text=True, check=True, timeout=PATIENCE
    )
    assert "\x1b" not in done.stdout
    lines = [re.split(r"\s{2,}", line.strip()) for line in done.stdout.splitlines()]
    [titles] = [cells for cells in lines if cells[0] == "CONTAINER"]
    [row] = [cells for cells in lines if cells[0] == NAMES[0]]
    cells = dict(zip([title.rstrip("^v") for title in titles], row, strict=True))
    assert figure(cells["LINES/S"]) >= 0  # it may have written nothing in just this second
    assert figure(cells["LINES"]) > 0
    assert cells["STATE"] == "running"
    assert done.stderr == ""


def test_once_on_a_terminal_prints_and_ends(agent: AgentProcess) -> None:
    with Terminal(*command(agent, "--once")) as terminal:
        assert terminal.ends() == 0
        assert b"\x1b[?1049h" not in terminal.output
        assert NAMES[1].encode() in terminal.output


def test_no_agent_and_no_sense_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["top", "--url", "http://127.0.0.1:1"]) == 1
    assert "no agent answers at http://127.0.0.1:1 (Connection refused)" in capsys.readouterr().err
    assert main(["top", "--every", "0"]) == 2
    assert "must be from 0.1 to 3600" in capsys.readouterr().err
