"""`make demo` shows what the agent does with real containers, and leaves nothing behind."""

from __future__ import annotations

import fcntl
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.testing.private_engine import PrivateEngine, why_not

pytestmark = pytest.mark.server

ROOT = Path(__file__).parents[2]
NAMES = ("noisy", "web", "worker")


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    """One demo at a time, whoever runs the tests: containers of two have the same names."""
    with (Path(tempfile.gettempdir()) / "dockline-demo-tests.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def run(**variables: str) -> subprocess.CompletedProcess[str]:
    """A demo of some seconds, to its end. Not on a terminal, so its text has no colours."""
    return subprocess.run(
        [sys.executable, "-m", "demo"],
        cwd=ROOT,
        env=os.environ | {"DEMO_SECONDS": "8"} | variables,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


class Running:
    """A demo that runs, and what it has printed so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.printed = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.printed += line

    def until(self, told: Callable[[str], object]) -> None:
        deadline = time.monotonic() + 120
        while not told(self.printed):
            assert time.monotonic() < deadline, self.printed
            assert self.process.poll() is None, self.printed
            time.sleep(0.05)

    def interrupt(self) -> int:
        """Presses Ctrl-C. Returns the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        status = self.process.wait(120)
        self._reader.join(120)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return status


@contextmanager
def running(**variables: str) -> Iterator[Running]:
    process = subprocess.Popen(
        [sys.executable, "-m", "demo"],
        cwd=ROOT,
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    demo = Running(process)
    try:
        yield demo
    finally:
        demo.interrupt()


def messages(output: str, name: str) -> list[str]:
    """What the sink `console` wrote for a sample container."""
    found = re.findall(rf"^\S+Z dockline-demo-{name} \S+ \| (.*)$", output, re.MULTILINE)
    return [str(one) for one in found]


def leaves_nothing(engine: PrivateEngine) -> bool:
    return not (
        engine.docker("ps", "--all", "--quiet", "--filter", "label=dockline-demo")
        + engine.docker("images", "--quiet", "dockline-demo")
    )


def test_it_shows_what_its_containers_say_joined_sampled_and_with_levels(
    engine: PrivateEngine, busybox: str
) -> None:
    engine.docker(
        *("run", "--detach", "--rm", "--network", "none", "--name", "not-of-the-demo", busybox),
        *("sh", "-c", "while true; do echo not of the demo; sleep 0.2; done"),
    )
    try:
        done = run(DOCKER_HOST=engine.url, DEMO_SECONDS="20", DEMO_OUTAGE="90 1")
    finally:
        engine.docker("rm", "--force", "not-of-the-demo")
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    assert f"at {engine.url}" in done.stdout
    assert re.search(r"^  page +http://127\.0\.0\.1:\d+/#token=[\w-]{43}$", done.stdout, re.M)
    assert "WARNING sink" not in output
    assert "not of the demo" not in output
    assert any(
        re.fullmatch(r"(ERROR|WARNING|INFO) (GET|POST) /\S+  status=\d+ ms=\d+ user=\S+", one)
        for one in messages(output, "web")
    )
    assert "ada@example.com" not in output
    assert any(re.fullmatch(r"INFO job \d+ started", one) for one in messages(output, "worker"))
    sampled = messages(output, "noisy")
    assert sampled
    assert all(one.startswith("DEBUG upstream is healthy  upstream=") for one in sampled)
    [lines] = re.findall(r"^  dockline-demo-noisy +(\d+) .* MiB ", output, re.MULTILINE)
    assert len(sampled) <= int(lines) // 10 + 1
    assert re.search(r"^  dockline itself +\d+\.\d MiB +\d+\.\d\d s$", output, re.MULTILINE)
    assert leaves_nothing(engine)


def test_a_traceback_is_one_entry_and_an_outage_of_the_store_loses_nothing(
    engine: PrivateEngine,
) -> None:
    with running(DOCKER_HOST=engine.url, DEMO_OUTAGE="4 3") as demo:
        demo.until(lambda told: "the store got" in told)
        demo.until(lambda told: "Traceback (most recent call last):" in told)
        assert demo.interrupt() == 0
        told = demo.printed
    # The first one is said: where a request was on its way, that is not the refusal.
    assert re.search(
        r" WARNING sink store: .* (refused the connection: .*"
        r"|closed the connection before it had answered; .*"
        r"|cannot be used: Connection reset by peer); retrying\n",
        told,
    )
    assert re.search(
        r" INFO +sink store: back to normal after \d.*: "
        r"\d+ entr\w+ waited and \w+ sent now, none was dropped\n",
        told,
    )
    order = ["the store goes away now", "; retrying", "the store is back", "back to normal after"]
    assert sorted(order, key=told.index) == order
    trace = [one for one in messages(told, "worker") if "Traceback" in one]
    whole = re.compile(r"ERROR job \d+ failed\\nTraceback .*KeyError: 'amount'$")
    assert all(map(whole.match, trace)), trace
    [delivered] = re.findall(r"sink store: (\d+) entries delivered\n", told)
    assert f"the store has {delivered} entries, none of them twice\n" in told
    assert told.endswith("All that the demo started is removed.\n")
    assert leaves_nothing(engine)


def test_the_commands_that_it_prints_work_as_they_are_printed(engine: PrivateEngine) -> None:
    with running(DOCKER_HOST=engine.url, DEMO_OUTAGE="90 1") as demo:
        demo.until(lambda told: "following 3 containers: " in told)
        printed = re.findall(r"^    (\S*dockline (\w+) -c .*)$", demo.printed, re.MULTILINE)
        assert [name for _, name in printed] == ["top", "tap", "audit"]
        more = {"top": "--once", "tap": "--limit 1", "audit": ""}
        shows = {"top": "dockline-demo-web", "tap": "status", "audit": "dockline-demo-web"}
        for command, name in printed:
            done = subprocess.run(
                [*shlex.split(command), *shlex.split(more[name])],
                cwd=ROOT,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            assert done.returncode == 0, (command, done.stdout, done.stderr)
            assert shows[name] in done.stdout, (command, done.stdout)
        assert demo.interrupt() == 0


def test_it_follows_all_containers_where_it_is_asked_to(
    engine: PrivateEngine, busybox: str
) -> None:
    engine.docker(
        *("run", "--detach", "--rm", "--network", "none", "--name", "of-somebody-else", busybox),
        *("sh", "-c", "while true; do echo of somebody else; sleep 0.2; done"),
    )
    try:
        with running(DOCKER_HOST=engine.url, DEMO_ALL="1") as demo:
            demo.until(lambda told: " of-somebody-else stdout | of somebody else" in told)
            assert demo.interrupt() == 0
    finally:
        engine.docker("rm", "--force", "of-somebody-else")


def test_starts_a_private_engine_where_there_is_none(tmp_path: Path) -> None:
    if reason := why_not():
        pytest.skip(reason)
    done = run(DOCKER_HOST=f"unix://{tmp_path}/none.sock")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f", since none answers at unix://{tmp_path}/none.sock" in done.stdout
    assert all(messages(done.stdout, name) for name in NAMES)
    directory = done.stdout.split("a private one at unix://")[1].split("/docker.sock")[0]
    assert not Path(directory).exists()


def test_a_killed_demo_takes_its_agent_with_it_and_the_next_one_clears_up(
    engine: PrivateEngine,
) -> None:
    with running(DOCKER_HOST=engine.url) as demo:
        demo.until(lambda told: "following 3 containers: " in told)
        [address] = re.findall(r"metrics +http://(\S+)/metrics", demo.printed)
        demo.process.kill()
        host, port = address.split(":")
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection((host, int(port)), 10).close()
            except ConnectionRefusedError:
                break
            assert time.monotonic() < deadline
            time.sleep(0.1)
    assert (ROOT / ".demo").exists()
    assert run(DOCKER_HOST=engine.url, DEMO_SECONDS="1").returncode == 0
    assert not (ROOT / ".demo").exists()
    assert leaves_nothing(engine)


def test_an_outage_that_nobody_can_read_is_an_error_in_words() -> None:
    done = run(DEMO_OUTAGE="soon")
    assert done.returncode == 1
    assert 'write it like "20 15"' in done.stdout
    assert done.stderr == ""


def test_without_an_engine_and_without_dockerd_it_says_what_to_install(tmp_path: Path) -> None:
    done = run(DOCKER_HOST=f"unix://{tmp_path}/none.sock", PATH=str(tmp_path))
    assert done.returncode == 1
    assert "no Docker Engine to show anything with" in done.stdout
    assert "install docker.io" in done.stdout or "needs root" in done.stdout
    assert "is removed" not in done.stdout
    assert "Traceback" not in done.stderr
