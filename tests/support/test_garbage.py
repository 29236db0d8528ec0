"""The garbage collector looks at few objects at a time, and finds all garbage in the end."""

from __future__ import annotations

import asyncio
import gc
import socket
import subprocess
import sys
import weakref
from pathlib import Path

import pytest

from pipeline.support.garbage import SETS_ASIDE, YOUNG, Collector, untie

pytestmark = pytest.mark.server

aside = pytest.mark.skipif(not SETS_ASIDE, reason="from 3.14 on it is left to Python")

BEGIN = """
import gc
from pipeline.support.garbage import FEW, LOOKS, MORE, RARELY, SELDOM, YOUNG, Collector

class Knot:
    made = 0
    def __init__(self):
        self.itself = self  # never let go without the collector
        Knot.made += 1
    def __del__(self):
        Knot.made -= 1

looked = []
def note(phase, details):
    if phase == "start":
        looked.append(sum(len(gc.get_objects(i)) for i in range(details["generation"] + 1)))
gc.callbacks.append(note)

now = [0.0]
collector = Collector(lambda: now[0])
collector.start()
base = gc.get_freeze_count()
"""


def run(program: str) -> list[int]:
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + program], capture_output=True, text=True, check=False
    )
    assert not done.returncode, done.stderr
    return [int(word) for word in done.stdout.split()]


@aside
def test_no_look_is_at_more_than_what_was_made_since_the_last() -> None:
    most, young, aside, old = run(
        "kept = [[] for _ in range(50 * YOUNG)]\n"
        "old = len(gc.get_objects(generation=2))\n"
        "print(max(looked), YOUNG * (LOOKS + 2), gc.get_freeze_count() - base, old)"
    )
    assert 0 < most < 1.1 * young
    assert aside > 45 * 10_000
    assert old < 1000  # else the next full look would be at these


@aside
def test_garbage_that_dies_young_is_let_go() -> None:
    left, bound = run("for _ in range(20 * YOUNG): Knot()\nprint(Knot.made, YOUNG * (LOOKS + 2))")
    assert left <= 1.1 * bound


@aside
def test_garbage_of_what_was_set_aside_is_let_go_once_there_is_much_of_it() -> None:
    aside, before, found, due, left = run(
        "old = [Knot() for _ in range(YOUNG)]\n"
        "gc.collect(1)\n"
        "aside = gc.get_freeze_count() - base\n"
        "del old\n"
        "before, found = int(collector.check()), gc.collect()\n"
        "kept = [[] for _ in range(MORE + 5 * YOUNG)]\n"
        "due = int(collector.check())\n"
        "print(aside, before, found, due, Knot.made)"
    )
    assert aside >= 10_000
    assert before == 0
    assert found < 10_000  # an ordinary look, even a full one, does not find them
    assert due
    assert left == 0


@aside
def test_little_is_looked_at_now_and_then_without_need_and_much_rarely() -> None:
    dues = run(
        "print(int(collector.check()))\n"
        "now[0] += SELDOM\n"
        "print(int(collector.check()), int(collector.check()))\n"
        "kept = [[] for _ in range(FEW + 5 * YOUNG)]\n"
        "now[0] += SELDOM\n"
        "print(int(collector.check()))\n"
        "now[0] += RARELY\n"
        "print(int(collector.check()), int(collector.check()))\n"
    )
    assert dues == [0, 1, 0, 0, 1, 0]


@aside
def test_what_is_due_after_a_peak_is_what_is_due_after_what_is_left() -> None:
    dues = run(
        "kept = [[] for _ in range(5 * MORE)]\n"
        "print(int(collector.check()))\n"
        "kept = [[] for _ in range(FEW + 5 * YOUNG)]\n"
        "now[0] += SELDOM\n"
        "print(int(collector.check()))\n"
        "more = [[] for _ in range(MORE + 5 * YOUNG)]\n"
        "print(int(collector.check()))\n"
    )
    assert dues == [1, 0, 1]


@aside
def test_nothing_is_due_after_a_full_look() -> None:
    before, after = run(
        "kept = [[] for _ in range(MORE + 5 * YOUNG)]\n"
        "print(int(collector.check()), int(collector.check()))"
    )
    assert (before, after) == (1, 0)


@aside
@pytest.mark.parametrize("order", ["ab", "ba"])
def test_python_collects_as_before_once_all_have_stopped(order: str) -> None:
    frozen, callbacks, *threshold = run(
        "b = Collector()\nb.start()\na = collector\n"
        + "".join(f"{name}.stop()\n" for name in order)
        + "print(gc.get_freeze_count(), len(gc.callbacks), *gc.get_threshold())"
    )
    assert (frozen, callbacks) == (0, 1)
    assert tuple(threshold) == gc.get_threshold()


def test_one_that_was_not_started_may_be_stopped() -> None:
    before = gc.get_threshold()
    Collector().stop()
    assert gc.get_threshold() == before


async def test_a_transport_that_is_untied_is_let_go_at_once() -> None:
    ours, theirs = socket.socketpair()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_connection(asyncio.Protocol, sock=ours)
    known = weakref.ref(transport)
    transport.abort()
    theirs.close()
    await asyncio.sleep(0.01)
    untie(transport)
    gc.disable()
    try:
        del transport, _
        assert known() is None
    finally:
        gc.enable()


AGENT = """
import asyncio, gc, sys
from pipeline.runtime.agent import Agent
from pipeline.config.file import parse

async def run():
    agent, stop = Agent(parse(sys.argv[1], {})), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(agent.run(stop))
        while not gc.get_freeze_count():
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.5)
        print(gc.get_freeze_count(), len(gc.callbacks), gc.get_threshold()[0])
        stop.set()
    print(gc.get_freeze_count(), len(gc.callbacks), gc.get_threshold()[0])

asyncio.run(run())
"""
CONFIG = """
[engine]
enabled = false
[state]
directory = "{}"
[http]
listen = "127.0.0.1:0"
[sources.in]
type = "forward"
listen = "127.0.0.1:0"
[sinks.out]
type = "console"
[routes.r]
from = ["in"]
to = ["out"]
"""


@aside
def test_an_agent_sets_it_up_and_leaves_it_as_it_was(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", AGENT, CONFIG.format(tmp_path / "state")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.returncode, done.stderr
    meanwhile, after = ([int(word) for word in line.split()] for line in done.stdout.splitlines())
    assert meanwhile[0] > 10_000
    assert meanwhile[1:] == [1, YOUNG]
    assert after == [0, 0, gc.get_threshold()[0]]
