"""The agent as a process of the world: what `dockline run` does, from the configuration to the
exit status."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp.client_proto import ResponseHandler

from pipeline.cli.run import _run
from pipeline.config import find, read
from pipeline.intake import feed
from pipeline.intake.taking import Taking
from pipeline.runtime.agent import Agent
from pipeline.runtime.reload import Reloader
from pipeline.sources.docker.logs import follower
from pipeline.support.rate_limit import RateLimit
from pipeline.support.selector import CoalescingLoop
from pipeline.topology.output import Output
from tests.simulation.world.host import Host
from tests.simulation.world.process import Process
from tests.simulation.world.system import number
from tests.simulation.world.world import World

CONFIG = "/simulated/etc/dockline.toml"
MOST_DESCRIPTORS, MOST_TASKS = 120, 400
"""More than any plan needs: with them, something is not given back."""

MOST_BEHIND = 8 << 18
"""Bytes of the batches of all containers of a plan that wait for room in a buffer."""

for kind in (Output, ResponseHandler, Taking):  # there are sets of them
    number(kind)

Problem = Callable[[str, str], object]
"""Takes the kind of what is wrong, and a sentence."""


class AgentProcess:
    """One start of the agent."""

    def __init__(self, host: Host, environ: Mapping[str, str], problem: Problem) -> None:
        self.process: Process = host.process(f"agent on {host.name}")
        self.agent: Agent | None = None
        self.looks = 0
        """How many times its ledger was found to balance."""
        self.reloaded = False
        """Then its buffers may hold what an earlier limit allowed."""
        self._environ = environ
        self._problem = problem
        self._loop: asyncio.AbstractEventLoop | None = None
        self._looking: asyncio.Task[None] | None = None

    def start(self) -> None:
        self.process.start(self._main)

    def _main(self) -> int:
        _as_imported()
        given = find([CONFIG], self._environ, ())
        reading = read(given, self._environ)
        self.agent = agent = Agent(reading, self._environ)
        reloader = Reloader(given, self._environ, agent.metrics)
        loop = CoalescingLoop()
        running = loop.create_task(_run(agent, reloader))
        self._loop = loop
        complete = loop.run_until_complete(running)
        self._loop = None
        left = [task for task in asyncio.all_tasks(loop) if task is not self._looking]
        if left:
            self._problem("tasks", f"{len(left)} tasks are left at the end, first {left[0]}")
        loop.close()
        time.sleep(1)  # threads that are told to end are not waited for
        host = self.process.host
        if host.disk.stalls_until >= host.world.now:
            return 0 if complete else 1  # threads hang in it, with what they have opened
        if names := [str(host.open[one]) for one in self.process.descriptors]:
            self._problem("descriptors", f"left open at the end: {', '.join(names)}")
        return 0 if complete else 1

    def look(self) -> None:
        """Has it judge its own books, as `dockline audit` does, and counts what it holds."""
        if self._loop is not None and self.process.alive and self._looking is None:
            kill_at, self.process.kill_at = self.process.kill_at, 0
            self._loop.call_soon_threadsafe(self._begin_to_look)
            self.process.kill_at = kill_at

    def _begin_to_look(self) -> None:
        self._looking = asyncio.get_running_loop().create_task(self._look(), name="look")
        self._looking.add_done_callback(self._has_looked)

    def _has_looked(self, looking: asyncio.Task[None]) -> None:
        self._looking = None
        if not looking.cancelled() and (error := looking.exception()) is not None:
            self._problem("ledger", f"the audit has failed: {error!r}")

    async def _look(self) -> None:
        agent = self.agent
        assert agent is not None
        parts: list[Any] = []
        report = await agent.audit(lambda place, part: parts.append(part))
        if not report.balanced:
            self._problem("ledger", f"entries are unaccounted for: {_unaccounted(parts)}")
        self.looks += 1
        for output in agent.outputs:
            buffer = output.buffer
            # See docs/reference/bounds.md: one batch of each container that waits.
            if buffer.bytes > buffer.limit + MOST_BEHIND and not self.reloaded:
                self._problem(
                    "memory", f"{output.name} buffers {buffer.bytes} of {buffer.limit} bytes"
                )
        if (count := len(self.process.descriptors)) > MOST_DESCRIPTORS:
            self._problem("descriptors", f"{count} descriptors are open")
        if (count := sum(not task.done() for task in self.process.tasks)) > MOST_TASKS:
            self._problem("tasks", f"there are {count} tasks")


def _as_imported() -> None:
    """Makes modules forget what they know of an earlier process: they are not imported again."""
    follower._missed, feed._shortages = RateLimit(), RateLimit()


def _unaccounted(parts: list[Any]) -> str:
    found = [
        f"{container.name} {route.route} {route.unaccounted} "
        + " ".join(f"{one.sink} {one.unaccounted}" for one in route.sinks if one.unaccounted)
        for container in parts
        for route in getattr(container, "routes", ())
        if route.unaccounted or any(one.unaccounted for one in route.sinks)
    ]
    return "; ".join(found)[:300]


class Said(logging.Handler):
    """Takes what processes log into the timeline."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def emit(self, record: logging.LogRecord) -> None:
        strand = self._world.current
        if strand is not None and not strand.process.alive:
            return  # nobody hears what it says on its way out
        who = strand.process.name if strand is not None else "?"
        text = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            text += f" [{record.exc_info[1]!r}]"
        self._world.note(who, f"{record.levelname.lower()}: {text}")
