"""A run: a plan is played in a world."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable
from random import Random
from typing import Any

from pipeline.support import garbage
from tests.simulation.agent import Said
from tests.simulation.configuration import agent_of, hub_of
from tests.simulation.judge.wrong import Wrong
from tests.simulation.node import Node
from tests.simulation.peers.engine import Container, SimulatedEngine
from tests.simulation.peers.nats import NatsServer
from tests.simulation.peers.stores import KINDS, Store
from tests.simulation.plan import END, FAULTS_END, STOP, Plan
from tests.simulation.world.host import Host
from tests.simulation.world.system import System, enter
from tests.simulation.world.world import SECOND, Livelock, World

LOOK_EVERY = 60.0
"""Seconds, on average, between two looks at an agent's books."""


PADDING = bytes(Random("padding").choices(range(ord("a"), ord("z") + 1), k=100_000))
"""What lines are made of: it does not compress to nothing."""


class Written:
    """What a container has written."""

    def __init__(self, node: Node, container: Container) -> None:
        self.node = node
        self.container = container
        self.first: list[int] = []
        """For each line, by its number: the number of the first row that the Engine has of it; -1
        if it has none."""
        self.last: list[int] = []
        """The number of the last row: lines arrive in this order."""
        self.times: list[int] = []
        """When it was written, or begun."""
        self.ended: dict[int, int] = {}
        """Of lines that were begun, when they were ended."""
        self.stamps: list[int] = []
        """What the Engine's clock said then, in nanoseconds since 1970."""
        self.cut: set[int] = set()
        """Lines that the container has not finished."""
        self.truncated = False
        """Whether something has emptied its log."""
        self.again = False
        """Whether it runs again and again, for a moment."""
        self.created = node.world.now
        self.ended_at = 0
        """When it ended for good, of one that lives for a moment."""
        self.removed_at = 0

    def whole_at(self, number: int) -> int:
        """When a line was written to its end; of one that has none, when it was begun."""
        return self.ended.get(number, self.times[number])


class Course:
    """One run of a plan."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.world = World(plan.seed)
        self.system = System(self.world)
        self.problems: list[Wrong] = []
        self.written: dict[str, Written] = {}
        """By the container's name in the plan."""
        self._begun: dict[tuple[str, int], tuple[int, bytes]] = {}
        """By container and stream, the line that it has begun: its number, and the rest of it."""
        self._dice = self.world.chance("course")
        self.memory: dict[str, str] = {}
        """By node, the size of the sinks' buffers after a reload."""
        network = self.system.network
        self.stores: dict[str, Store] = {}
        for sink in plan.setup.sinks:
            make, _, port = KINDS[sink.kind]
            self.stores[sink.name] = make(self.world, network, sink.name, port)
        self.nats = NatsServer(self.world, network) if plan.setup.hubs else None
        self.nodes: dict[str, Node] = {}
        for name in plan.setup.agents:
            self._node(name, reads=True)
        for name in plan.setup.hubs:
            self._node(name, reads=False)

    def _node(self, name: str, *, reads: bool) -> None:
        host = Host(self.world, name)
        host.disk.make_folder("/simulated")
        setup, engine = self.plan.setup, None
        if reads:
            engine = SimulatedEngine(
                self.world, host, self.system.network, logs_on_disk=setup.reads == "auto"
            )

        def configuration() -> str:
            text = agent_of if reads else hub_of
            return text(setup, self.stores, self.memory.get(name))

        self.nodes[name] = Node(self.world, host, engine, configuration, self.wrong)

    # ------------------------------------------------------------------------------- running

    def run(self) -> None:
        """Plays the plan."""
        world = self.world
        enter(self.system)
        root = logging.getLogger()
        before, level = root.handlers[:], root.level
        root.handlers[:] = [Said(world)]
        root.setLevel(logging.INFO)
        # As from Python 3.14 on: the collector has no part in the world.
        sets_aside, garbage.SETS_ASIDE = garbage.SETS_ASIDE, False
        try:
            for node in self.nodes.values():
                node.configure()
                node.start()
            for step in self.plan.steps:
                world.at(int(step.at * SECOND), self._do, step.verb, step.of)
            for name in self.nodes:
                world.after(self._dice.uniform(0, 2 * LOOK_EVERY), self._look, name)
            world.at(int(FAULTS_END * SECOND), self._calm)
            world.at(int(STOP * SECOND), self._stop)
            world.run(int(END * SECOND))
            self._end()
        except Livelock as error:
            self.wrong("livelock", f"it does not come to an end: {error}")
        finally:
            for node in self.nodes.values():
                if (process := node.alive) is not None:
                    process.ended = None
                    process.kill()
            root.handlers[:] = before
            root.setLevel(level)
            garbage.SETS_ASIDE = sets_aside
            enter(None)

    def _look(self, name: str) -> None:
        self.nodes[name].look()
        self.world.after(self._dice.uniform(0, 2 * LOOK_EVERY), self._look, name)

    def wrong(self, kind: str, text: str) -> None:
        """Notes something that is wrong already while it runs."""
        self.problems.append(Wrong(kind, text))
        self.world.note("judge", f"{kind}: {text}")

    def _do(self, verb: str, of: dict[str, Any]) -> None:
        if verb not in ("write", "write_part", "run_again"):
            what = ", ".join(f"{name} {value}" for name, value in of.items())
            self.world.note("plan", f"{verb} {what}")
        getattr(self, verb)(**of)

    def _calm(self) -> None:
        """Nothing goes wrong from now on."""
        self.world.note("plan", "nothing goes wrong from now on")
        for node in self.nodes.values():
            disk = node.host.disk
            disk.failing, disk.size, disk.stalls_until = 0, None, 0
            if (engine := node.engine) is not None:
                engine.lose_events = engine.delay_events = engine.answer_late = 0.0
                engine.wrong = None
                if not engine.up:
                    engine.answer_again()
            if (process := node.alive) is not None:
                process.kill_at = 0
        for store in self.stores.values():
            weather = self.system.network.weather(store.where)
            weather.stalled = weather.refused = False
            store.late, store.status, store.mute, store.forgets = 0.0, 200, False, 0.0
            store.flaky = 0.0
        if self.nats is not None:
            weather = self.system.network.weather(self.nats.where)
            weather.stalled = weather.refused = False
            self.nats.calm()

    def _stop(self) -> None:
        for name, node in self.nodes.items():
            if node.alive is None:
                self.wrong("end", f"the agent on {name} does not run at the end")
        # Agents first: what they still send, hubs are to read.
        for place, name in enumerate((*self.plan.setup.agents, *self.plan.setup.hubs)):
            node = self.nodes[name]
            hub = name in self.plan.setup.hubs
            self.world.after(30.0 * hub + 0.01 * place, self._stop_one, node)

    def _stop_one(self, node: Node) -> None:
        node.over = True
        node.terminate(0.0)

    def _end(self) -> None:
        for name, node in self.nodes.items():
            if node.alive is not None:
                self.wrong("end", f"the agent on {name} has not ended long after SIGTERM")
            elif node.ends and node.ends[-1].status not in (0, None):
                self.wrong("end", f"the agent on {name} ended with status {node.ends[-1].status}")

    # ---------------------------------------------------------------------------- containers

    def run_container(self, node: str, name: str, tty: bool = False) -> Container:
        engine = self.nodes[node].engine
        assert engine is not None
        setup = self.plan.setup
        one = engine.create(name, tty=tty, max_size=setup.rotation)
        self.written[name] = Written(self.nodes[node], one)
        engine.start(one)
        return one

    def _engine_of(self, name: str) -> SimulatedEngine:
        engine = self.written[name].node.engine
        assert engine is not None
        return engine

    def _running(self, name: str) -> Container | None:
        written = self.written.get(name)
        return written.container if written is not None and written.container.running else None

    def write(self, name: str, lines: int, size: int, gap: float, stream: int) -> None:
        """So many lines, `gap` seconds apart. Stream 3 is either."""
        if self._running(name) is not None:
            self._write_on(name, min(lines, max(1, 100_000 // size)), size, gap, stream)

    def _write_on(self, name: str, left: int, size: int, gap: float, stream: int) -> None:
        some = 1 if gap else left
        for _ in range(some):
            if (one := self._running(name)) is None:
                return
            out = 1 if one.tty else stream if stream < 3 else self._dice.choice((1, 2))
            self._line(name, one, size, out)
        if left > some:
            self.world.after(gap, self._write_on, name, left - some, size, gap, stream)

    def _line(self, name: str, one: Container, size: int, stream: int) -> None:
        written, engine = self.written[name], self._engine_of(name)
        if (name, stream) in self._begun:
            self._finish(name, one, stream)
        number = len(written.times)
        written.first.append(engine.total(one))
        written.times.append(self.world.now)
        written.stamps.append(written.node.host.time() + engine.clock_offset)
        engine.write(one, line(name, number, size), stream)
        written.last.append(engine.total(one) - 1)

    def write_part(self, name: str, size: int, stream: int = 1, at: int = 0) -> None:
        """Begins a line, which ends with the next one, or never. Writes `at` bytes of it, or two
        thirds."""
        one = self._running(name)
        if one is None or (name, stream) in self._begun:
            return
        written, engine = self.written[name], self._engine_of(name)
        number = len(written.times)
        written.first.append(engine.total(one))
        written.times.append(self.world.now)
        written.stamps.append(written.node.host.time() + engine.clock_offset)
        written.cut.add(number)
        whole = line(name, number, size)
        at = at if 0 < at < len(whole) - 3 else len(whole) - size // 3 - 3
        engine.write(one, whole[:at], stream)
        written.last.append(engine.total(one) - 1)
        if engine.total(one) == written.first[number]:
            written.first[number] = -1  # it is still in the Engine's hands
        self._begun[name, stream] = number, whole[at:]

    def _finish(self, name: str, one: Container, stream: int) -> None:
        number, rest = self._begun.pop((name, stream))
        written, engine = self.written[name], self._engine_of(name)
        if written.first[number] < 0:  # the Engine gives it a time only now
            written.first[number] = engine.total(one)
            written.stamps[number] = written.node.host.time() + engine.clock_offset
        engine.write(one, rest, stream)
        written.ended[number] = self.world.now
        written.last[number] = engine.total(one) - 1
        written.cut.discard(number)

    def open_lines(self, name: str) -> set[int]:
        """The lines that a container has begun and not ended: nobody can say yet what they are."""
        return {number for (of, _), (number, _) in self._begun.items() if of == name}

    def _ends(self, name: str) -> None:
        """Its processes end: what they have begun stays as it is."""
        written, one = self.written[name], self.written[name].container
        for stream in (1, 2):
            begun = self._begun.pop((name, stream), None)
            if begun is not None and one.open_line.get(stream):
                total = self._engine_of(name).total(one) + stream - 1
                written.last[begun[0]] = total
                if written.first[begun[0]] < 0:
                    written.first[begun[0]] = total

    def moment(self, node: str, name: str, lines: int, lives: float, removed: bool) -> None:
        one = self.run_container(node, name)
        engine = self._engine_of(name)
        for _ in range(lines):
            self._line(name, one, 20, 1)

        def end() -> None:
            self.written[name].ended_at = self.world.now
            engine.die(one)
            if removed:
                self.world.after(self._dice.random() * 0.01, self.remove, name)

        self.world.after(lives, end)

    def run_again(self, name: str, lines: int, lives: float) -> None:
        """One that has ended runs once more, for a moment."""
        written = self.written.get(name)
        if written is None:
            return
        written.again = True
        one, engine = written.container, self._engine_of(name)
        if not one.running:
            engine.start(one)
        for _ in range(lines):
            self._line(name, one, 20, 1)
        self.world.after(lives, self._ends_again, name, one)

    def _ends_again(self, name: str, one: Container) -> None:
        if one.running:
            self._ends(name)
            self._engine_of(name).die(one)

    def remove(self, name: str) -> None:
        written = self.written.get(name)
        if written is not None and not written.container.removed:
            self._ends(name)
            self._engine_of(name).remove(written.container)
            written.removed_at = self.world.now

    def restart(self, name: str, away: float) -> None:
        if (one := self._running(name)) is not None:
            self._ends(name)
            self._engine_of(name).die(one, 137)
            one.restarts += 1
            self.world.after(away, self._again, name, one)

    def _again(self, name: str, one: Container) -> None:
        if not one.removed and not one.running:
            self._engine_of(name).start(one)

    def die(self, name: str) -> None:
        if (one := self._running(name)) is not None:
            self._ends(name)
            self._engine_of(name).die(one, 1)

    def truncate(self, node: str, name: str) -> None:
        """Something empties a log's file that the Engine does not rotate."""
        written = self.written.get(name)
        if written is not None and not (self.plan.setup.rotation or written.container.removed):
            self._engine_of(name).truncate(written.container)
            written.truncated = True

    def rename(self, name: str) -> None:
        if name in self.written and not self.written[name].container.removed:
            self._engine_of(name).rename(self.written[name].container, f"{name}-renamed")

    # --------------------------------------------------------------------------------- agent

    def kill(self, node: str, away: float) -> None:
        self.nodes[node].kill(away)

    def kill_within(self, node: str, away: float, calls: int) -> None:
        """Killed in one of its next calls of the system."""
        self.nodes[node].kill(away, calls)

    def terminate(self, node: str, away: float) -> None:
        self.nodes[node].terminate(away)

    def crash(self, node: str, away: float) -> None:
        """The host loses its power. What the Engine has of logs is on its disk."""
        self.nodes[node].crash(away)

    def reload(self, node: str, memory: str) -> None:
        self.memory[node] = memory
        self.nodes[node].reload()

    # -------------------------------------------------------------------------------- engine

    def _engine(self, node: str) -> SimulatedEngine:
        engine = self.nodes[node].engine
        assert engine is not None
        return engine

    def _for(self, seconds: float, undo: Callable[..., object], *arguments: Any) -> None:
        self.world.after(seconds, undo, *arguments)

    def cut_logs(self, node: str) -> None:
        self._engine(node).cut_logs()

    def cut_events(self, node: str) -> None:
        self._engine(node).cut_events()

    def engine_down(self, node: str, seconds: float) -> None:
        engine = self._engine(node)
        if engine.up:
            engine.stop_answering()
            self._for(seconds, lambda: None if engine.up else engine.answer_again())

    def lose_events(self, node: str, seconds: float) -> None:
        engine = self._engine(node)
        engine.lose_events = 0.5
        self._for(seconds, setattr, engine, "lose_events", 0.0)

    def late_events(self, node: str, seconds: float) -> None:
        engine = self._engine(node)
        engine.delay_events = 3.0
        self._for(seconds, setattr, engine, "delay_events", 0.0)

    def slow_engine(self, node: str, seconds: float) -> None:
        engine = self._engine(node)
        engine.answer_late = 2.0
        self._for(seconds, setattr, engine, "answer_late", 0.0)

    def wrong_engine(self, node: str, seconds: float) -> None:
        engine = self._engine(node)

        def wrong(request: Any) -> tuple[int, str] | None:
            return (500, "the Engine has a problem") if self._dice.random() < 0.3 else None

        engine.wrong = wrong
        self._for(seconds, setattr, engine, "wrong", None)

    def clock(self, node: str, seconds: float) -> None:
        self.nodes[node].host.clock_offset += int(seconds * SECOND)

    def engine_clock(self, node: str, seconds: float) -> None:
        """The Engine's clock is ahead of that of the agent, as with an Engine elsewhere."""
        self._engine(node).clock_offset = int(seconds * SECOND)

    # ---------------------------------------------------------------------------------- disk

    def disk_full(self, node: str, seconds: float) -> None:
        disk = self.nodes[node].host.disk
        disk.size = disk.used() + self._dice.choice((0, 100, 10_000))
        self._for(seconds, setattr, disk, "size", None)

    def disk_fails(self, node: str, seconds: float) -> None:
        disk = self.nodes[node].host.disk
        disk.failing = errno.EIO
        self._for(seconds, setattr, disk, "failing", 0)

    def disk_stalls(self, node: str, seconds: float) -> None:
        disk = self.nodes[node].host.disk
        disk.stalls_until = max(disk.stalls_until, self.world.now + int(seconds * SECOND))

    # --------------------------------------------------------------------------------- sinks

    def stall(self, sink: str, seconds: float) -> None:
        """Nothing arrives there any more, nor comes from there."""
        weather = self.system.network.weather(self.stores[sink].where)
        weather.stalled = True
        self._for(seconds, setattr, weather, "stalled", False)

    def refuse(self, sink: str, seconds: float) -> None:
        weather = self.system.network.weather(self.stores[sink].where)
        weather.refused = True
        self.reset(sink)
        self._for(seconds, setattr, weather, "refused", False)

    def reset(self, sink: str) -> None:
        for end in list(self.system.network.connections(self.stores[sink].where)):
            end.abort()

    def mute(self, sink: str, seconds: float) -> None:
        self.stores[sink].mute = True
        self._for(seconds, setattr, self.stores[sink], "mute", False)

    def fail(self, sink: str, seconds: float, status: int) -> None:
        self.stores[sink].status = status
        self._for(seconds, setattr, self.stores[sink], "status", 200)

    def flaky(self, sink: str, seconds: float, status: int, often: float = 0.4) -> None:
        """It fails now and then."""
        store = self.stores[sink]
        store.failing_with, store.flaky = status, often
        self._for(seconds, setattr, store, "flaky", 0.0)

    def forget(self, sink: str, seconds: float) -> None:
        self.stores[sink].forgets = 0.3
        self._for(seconds, setattr, self.stores[sink], "forgets", 0.0)

    def slow(self, sink: str, seconds: float) -> None:
        self.stores[sink].late = 3.0
        self._for(seconds, setattr, self.stores[sink], "late", 0.0)

    # --------------------------------------------------------------------------------- queue

    def queue_restarts(self, kill: bool) -> None:
        self._queue.restart(kill=kill)

    def queue_away(self, seconds: float) -> None:
        """The server is killed, and started again later."""
        weather = self.system.network.weather(self._queue.where)
        weather.refused = True
        self._queue.restart(kill=True)
        self._for(seconds, setattr, weather, "refused", False)

    def queue_stalls(self, seconds: float) -> None:
        weather = self.system.network.weather(self._queue.where)
        weather.stalled = True
        self._for(seconds, setattr, weather, "stalled", False)

    def queue_cuts(self) -> None:
        """One of its clients loses its connection."""
        if self._queue.clients:
            self._queue.cut(self._dice.choice(self._queue.clients))

    def queue_slow(self, seconds: float) -> None:
        self._queue.late = 3.0
        self._for(seconds, setattr, self._queue, "late", 0.0)

    def queue_forgets(self, seconds: float) -> None:
        """It stores messages, and connections break instead of an answer."""
        self._queue.forgets = 0.3
        self._for(seconds, setattr, self._queue, "forgets", 0.0)

    def queue_full(self, seconds: float) -> None:
        """It takes no messages."""
        self._queue.full = True
        self._for(seconds, setattr, self._queue, "full", False)

    @property
    def _queue(self) -> NatsServer:
        assert self.nats is not None
        return self.nats


def line(name: str, number: int, size: int) -> bytes:
    """A line that says which it is, and whether it is whole."""
    begin = number * 7919 % 1000
    return b"<%b %d %d>%b.\n" % (name.encode(), number, size, PADDING[begin : begin + size])
