"""The process that runs lines: what it is given, what it may take, and that nothing is left."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.config.file import parse
from pipeline.explain import process as module
from pipeline.explain.explainer import surroundings
from pipeline.explain.job import Job, JobContainer, JobLine, Trial
from pipeline.explain.process import BUSY, SLOW, Process
from pipeline.explain.worker import CPU_SECONDS, FILES, MEMORY, TOO_LARGE, TOO_MUCH_MEMORY
from pipeline.model.errors import DocklineError
from pipeline.testing.builders import container
from tests.suite.waiting import until

pytestmark = pytest.mark.server

Worker = Callable[[str], Process]

LIMITED = """\
import sys
from pipeline.explain import worker
worker.limit()
sys.stdout.write("\\n"); sys.stdout.flush()
"""


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """Neither a child, even a dead one, nor an open descriptor."""
    before = len([*Path("/proc/self/fd").iterdir()])
    yield
    assert children() == []
    assert len([*Path("/proc/self/fd").iterdir()]) <= before


TREE = Path(__file__).parents[2]
READING = parse('[sinks.out]\ntype = "console"\n[routes.r]\nto = ["out"]\n', {})
AROUND = surroundings(READING)


def job(stages: str, *lines: str) -> bytes:
    trial = Trial("r", stages, "[routes.r]\n")
    told = [JobLine(line) for line in lines]
    return Job(JobContainer.of(container()), AROUND, told, trial=trial).encode()


def children() -> list[str]:
    listed = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    found = []
    for child in listed:
        command = Path(f"/proc/{child}/cmdline").read_text()
        found += [child] if not command or "explain" in command or "worker_" in command else []
    return found


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Worker:
    """Makes a process that runs this code after `LIMITED`, instead of a job."""
    monkeypatch.setenv("SECRET_TOKEN", "hunter22")

    def make(code: str) -> Process:
        (tmp_path / "worker_under_test.py").write_text(LIMITED + code)
        process = Process("worker_under_test")
        process.environment["PYTHONPATH"] = f"{tmp_path}:{TREE}"
        return process

    return make


async def test_it_gets_no_secret_and_no_descriptor(worker: Worker) -> None:
    with Path(os.devnull).open() as held:
        os.set_inheritable(held.fileno(), True)
        answer = await worker("""
import json, os, resource
print(json.dumps({
    "environment": dict(os.environ), "folder": os.getcwd(),
    "open": len(os.listdir("/proc/self/fd")),
    "session": os.getsid(0) == os.getpid(), "nice": os.nice(0),
    "victim": open("/proc/self/oom_score_adj").read().strip(),
    "limits": [resource.getrlimit(getattr(resource, "RLIMIT_" + name))[0]
               for name in ("AS", "CPU", "NOFILE", "FSIZE", "CORE")],
}))
""").run(b"")
    told = json.loads(answer)
    assert {*told["environment"]} <= {"PATH", "TZ", "LD_LIBRARY_PATH", "PYTHONPATH", "LC_CTYPE"}
    assert "hunter22" not in answer.decode()
    assert (told["folder"], told["open"], told["session"]) == ("/", 4, True)
    assert told["nice"] >= 5
    assert told["victim"] == "1000"
    assert told["limits"] == [MEMORY, CPU_SECONDS, FILES, 0, 0]


@pytest.mark.parametrize(
    "code",
    [
        "while True: pass",
        "import time; time.sleep(60)",
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)",
        "import os, time; os.fork(); time.sleep(60)",
        "import os, time; os.close(1); time.sleep(60)",
        "import os, time; os.fork() and os._exit(0); time.sleep(60)",
    ],
)
async def test_one_that_takes_too_long_is_ended_with_all_of_its_group(
    code: str, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SECONDS", 0.2)
    with pytest.raises(DocklineError, match="took longer than"):
        await worker(code).run(b"")


async def test_one_that_does_not_start_is_ended(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = worker("")
    process._command = [sys.executable, "-c", "import time; time.sleep(60)"]  # never ready
    monkeypatch.setattr(module, "START_SECONDS", 0.001)
    with pytest.raises(DocklineError, match="did not start"):
        await process.run(b"")


async def test_one_that_takes_too_much_memory_says_so() -> None:
    grow = ",".join(["{ set = { a = '{a}{a}' } }"] * 40)
    with pytest.raises(DocklineError) as raised:
        await Process().run(job(f"stages = [{{ set = {{ a = 'aaaaaaaa' }} }}, {grow}]", "x"))
    assert str(raised.value) == TOO_MUCH_MEMORY


async def test_stages_that_take_too_long_are_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    pattern = 'message.matches("(?:a|b|ab|ba)*%d") or message'
    slow = ",".join(f"{{ keep = '{pattern % number}' }}" for number in range(900))
    monkeypatch.setattr(module, "SECONDS", 0.3)
    with pytest.raises(DocklineError) as raised:
        await Process().run(job(f"stages = [{slow}]", *["a" * 400] * 200))
    assert str(raised.value) == SLOW


async def test_more_than_it_may_say_is_refused(worker: Worker) -> None:
    with pytest.raises(DocklineError) as raised:
        await worker("print('{' + 'x' * (5 << 20))").run(b"")
    assert str(raised.value) == TOO_LARGE
    huge = ",".join(f"{{ set = {{ a{n} = '{{message}}' }} }}" for n in range(60))
    with pytest.raises(DocklineError) as raised:
        await Process().run(job(f"stages = [{huge}]", "x" * 90_000))
    assert str(raised.value) == TOO_LARGE


@pytest.mark.parametrize("code", ["sys.exit(1)", "import os; os.abort()", "print('no JSON')"])
async def test_one_that_fails_is_told_without_its_traceback(code: str, worker: Worker) -> None:
    with pytest.raises(DocklineError, match="failed"):
        await worker(code).run(b"x" * (1 << 20))


async def test_a_second_one_at_once_is_refused(worker: Worker) -> None:
    process = worker("import time; time.sleep(60)")
    first = asyncio.get_running_loop().create_task(process.run(b""))
    await until(lambda: bool(children()))
    with pytest.raises(DocklineError) as raised:
        await process.run(b"")
    assert str(raised.value) == BUSY
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert children() == []
    assert json.loads(await Process().run(job("stages = []", "x")))["errors"] == []


async def test_cancelling_it_at_any_moment_leaves_nothing(worker: Worker) -> None:
    process = worker("print('{' + 'x' * (3 << 20), flush=True); import time; time.sleep(60)")
    for turns in (0, 1, 2, 5, 50, 300):
        task = asyncio.get_running_loop().create_task(process.run(b"x" * (1 << 18)))
        for _ in range(turns):
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert children() == []


@pytest.mark.parametrize(
    "code",
    [
        "open('/tmp/x', 'w')",
        "import os; os.open('/tmp/x', os.O_CREAT)",
        "import socket; socket.socket()",
        "import os; os.system('true')",
        "import os; os.fork()",
        "import subprocess; subprocess.run(['true'])",
        "import os; os.remove('/tmp/x')",
    ],
)
async def test_stages_neither_write_files_nor_open_sockets_nor_start_processes(
    code: str, worker: Worker
) -> None:
    process = worker(f"""
import pipeline.explain.job, sys
sys.addaudithook(worker._forbid)
try:
    {code}
except PermissionError as error:
    print('{{"refused": "%s"}}' % error)
""")
    assert b"refused" in await process.run(b"")


def test_the_process_is_that_of_this_python() -> None:
    assert Process()._command[0] == sys.executable
