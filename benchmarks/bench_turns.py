"""The longest turn of the event loop under each stage, with lines made to take long.

python -m benchmarks.bench_turns [--stage WORD] [--line WORD] [--size BYTES] [--markdown]

A turn is all that the loop does between two looks at its sockets; what counts is the CPU of its own
thread. Each stage gets 1 MiB of each kind of line (`hostile_lines`) in one batch, once in lines of
1 KiB and once as one line, through a route with this stage alone, or behind `parse = "auto"`.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import selectors
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.hostile_lines import KINDS
from pipeline.accounting.envelope import Envelope
from pipeline.accounting.ledger import Ledger
from pipeline.accounting.offsets import Offsets
from pipeline.config.file import parse
from pipeline.model import registry
from pipeline.model.component import Stage, StageContext
from pipeline.model.metrics import Metrics
from pipeline.testing.builders import batch, container
from pipeline.topology import ContainerLanes, Route, Router

SIZE = 1 << 20
LINE = 1 << 10
GOAL = 0.050
"""Seconds that no turn should take."""

STAGES = r"""
parse = "auto"
parse = "json"
parse = "logfmt"
parse = "nginx"
parse = "apache"
parse = "klog"
parse = "syslog"
parse = { regex = '^(?P<a>\S+) (?P<b>\w+)' }
join = "python"
join = "java"
join = "go"
join = "node"
join = "ruby"
join = "dotnet"
join = "indent"
join = { start = '^\d{4}' }
level = "auto"
redact = ["email"]
redact = ["card"]
redact = ["ip"]
redact = ["jwt"]
redact = ["aws_key"]
redact = ["bearer"]
redact = { keys = ["password", "secret"] }
redact = { patterns = ['secret=\S+'] }
redact = { what = ["email"], with = "sha256" }
time = { regex = '^(?P<time>\S+)', format = "iso" }
keep = "message.matches('zz+y')"
keep = "level == 'error'"
drop = "message.contains('zzz')"
set = { who = "{message}/{stream}", x = 1 }
remove = ["password", "http.headers"]
rename = { msg = "message", "http.status" = "status" }
truncate = "8KiB"
truncate = { fields = "1KiB", fields_count = 100, depth = 5 }
split = "message"
split = "records"
split = "a"
dedupe = { within = "10s" }
dedupe = { fields = ["n", "a"], within = "1m" }
sample = { rate = 0.1, key = "{message}" }
throttle = { rate = 100000, key = "{message}" }
count = { name = "x", labels = { p = "{n}" } }
observe = { name = "y", value = "n" }
"""
ALONE = ("parse", "join")
"""Stages that come before `parse`, or are it."""


class Turns(selectors.DefaultSelector):
    """Measures what comes between two looks."""

    def __init__(self) -> None:
        super().__init__()
        self.longest = 0.0
        self.count = 0
        self._began = 0.0

    def select(
        self, timeout: float | None = None
    ) -> list[tuple[selectors.SelectorKey, selectors._EventMask]]:
        if self._began:
            self.longest = max(self.longest, time.thread_time() - self._began)
            self.count += 1
        found = super().select(timeout)
        self._began = time.thread_time()
        return found

    def begin(self) -> None:
        self.longest, self.count, self._began = 0.0, 0, time.thread_time()


class Nowhere:
    """A sink's buffer that keeps nothing."""

    name = "out"

    def offer(self, envelope: Envelope) -> bool:
        return True

    async def put(self, envelope: Envelope) -> None:
        raise NotImplementedError


@dataclass(frozen=True)
class Result:
    """Of one stage with one kind of line."""

    stage: str
    line: str
    one: bool
    """A single line, and no batch of many."""
    longest: float
    turns: int


def stage_of(text: str) -> Stage:
    """As a configuration has it."""
    written = (
        f'[routes.r]\nfrom = ["logs"]\nto = ["c"]\nstages = [{{ {text} }}]\n'
        '[sinks.c]\ntype = "console"\n'
    )
    (one,) = parse(written, {}).config.routes["r"].stages
    return registry.stage(one.name, one.config, StageContext())


def lanes_with(texts: Sequence[str]) -> ContainerLanes:
    """Of one container that has these stages."""
    stages = [(text.split()[0], stage_of(text)) for text in texts]
    route = Route("r", frozenset(("logs",)), lambda _: True, stages, [Nowhere()])
    router = Router([route], Metrics(), Ledger())
    return router.bind(container(), Offsets({}))["logs"]


async def run(turns: Turns, stage: str, line: str, size: int) -> list[Result]:
    """In lines of 1 KiB, and as one."""
    texts = [stage] if stage.startswith(ALONE) else ['parse = "auto"', stage]
    make = KINDS[line]
    results = []
    for one in (False, True):
        lanes = lanes_with(texts)
        lines = [make(size)] if one else [make(LINE)] * (size // LINE)
        gc.collect()
        await asyncio.sleep(0)
        turns.begin()
        await lanes.distribute(batch(*lines))
        await asyncio.sleep(0)
        results.append(Result(stage, line, one, turns.longest, turns.count))
        lanes.end()
    return results


HEAD = """\
| stage | lines of 1 KiB, the worst | longest turn, ms | one line, the worst | ms |
|---|---|---:|---|---:|"""


def row(results: Sequence[Result]) -> str:
    """The worst line of both kinds for one stage."""
    many = max((one for one in results if not one.one), key=lambda one: one.longest)
    single = max((one for one in results if one.one), key=lambda one: one.longest)
    name = many.stage.replace("|", "\\|")
    return (
        f"| `{name}` | {many.line} | {many.longest * 1e3:.0f} "
        f"| {single.line} | {single.longest * 1e3:.0f} |"
    )


def said(result: Result) -> str:
    what = "one line" if result.one else "lines of 1 KiB"
    return f"{result.longest * 1e3:7.1f} ms  {result.stage}  {what}: {result.line}"


async def main(turns: Turns) -> int:
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks.bench_turns")
    parser.add_argument("--stage", default="", help="only stages with this in them")
    parser.add_argument("--line", default="", help="only kinds of lines with this in their names")
    parser.add_argument("--size", type=int, default=SIZE, help="bytes of a batch, and of a line")
    parser.add_argument("--markdown", action="store_true", help="print a table")
    given = parser.parse_args()
    longest = 0.0
    if given.markdown:
        print(HEAD)
    for stage in STAGES.strip().splitlines():
        if given.stage not in stage:
            continue
        lines = [line for line in KINDS if given.line in line]
        results = [one for line in lines for one in await run(turns, stage, line, given.size)]
        longest = max(longest, *(one.longest for one in results))
        if given.markdown:
            print(row(results), flush=True)
        for one in results:
            if one.longest > GOAL and not given.markdown:
                print(said(one), flush=True)
    print(f"the longest: {longest * 1e3:.0f} ms", file=sys.stderr)
    return int(longest > GOAL)


if __name__ == "__main__":
    measured = Turns()
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(measured)) as runner:
        sys.exit(runner.run(main(measured)))
