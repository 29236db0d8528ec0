"""One run: everything is started, chaos runs its course, everything settles and is compared."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

from pipeline.model.errors import EngineError
from pipeline.testing.private_engine import PrivateEngine
from tests.chaos.agent import Agent
from tests.chaos.containers import Containers
from tests.chaos.faults import Faults
from tests.chaos.plan import SINKS, Action
from tests.chaos.receivers import Peer
from tests.chaos.record import BeatsRecord, Record, SyslogRecord
from tests.chaos.report import Figures
from tests.chaos.tally import Tally, compare

LONGEST_SETTLING = 600.0
LATE = 30.0
"""Seconds after the plan's end until what has not been begun is left out."""
CHECK_EVERY = 2.0


class Course:
    """`run` it once. `folder` is where everything is kept that a failed run is judged by."""

    def __init__(
        self,
        folder: Path,
        actions: list[Action],
        say: Callable[[str], None],
        *,
        patience: float,
        drop: int = 0,
    ) -> None:
        """`patience`: seconds without a line more, anywhere, until what has not come counts as
        lost. `drop`: sabotage, the logstash receiver forgets a line of each so many windows."""
        self._folder = folder
        self._actions = actions
        self._say = say
        self._patience = patience
        self._end = actions[-1].at if actions else 0.0
        self._stop = threading.Event()
        self._failures: list[BaseException] = []
        records = folder / "records"
        sabotage = {"logstash": {"CHAOS_DROP": str(drop)}} if drop else {}
        modules = {"syslog": "syslog", "logstash": "beats", "spooled": "beats"}
        self._peers = {
            sink: Peer(modules[sink], records / sink, sabotage.get(sink)) for sink in SINKS
        }
        self._records: dict[str, Record] = {
            sink: (SyslogRecord if sink == "syslog" else BeatsRecord)(records / sink)
            for sink in SINKS
        }

    def run(self, seed: int, minutes: float) -> Figures:
        with ExitStack() as stack:
            stack.callback(self._stop.set)
            self._say("starting dockerd, the receivers and the agent")
            engine = stack.enter_context(PrivateEngine("--live-restore"))
            containers = Containers(engine)
            containers.prepare()
            for peer in self._peers.values():
                stack.callback(peer.kill)
                peer.start()
            ports = {name: peer.port for name, peer in self._peers.items()}
            agent = Agent(self._folder / "agent", engine.url, ports)
            stack.callback(agent.close)
            agent.start()
            _until(lambda: "dockline_engine_up 1.0" in agent.metrics(), "the agent to connect")
            faults = Faults(agent, engine, containers, self._peers, self._stop)
            self._lanes(agent, engine, containers, faults)
            self._say("no faults any more: waiting until all is delivered")
            ceased = time.monotonic()
            containers.end_all()
            truth = self._settle(containers)
            settled = time.monotonic() - ceased
            self._finish(agent, faults)
            figures = Figures(
                seed=seed,
                minutes=minutes,
                containers=Counter(one.kind for one in containers.started.values()),
                removed=len(containers.removed),
                sinks={name: compare(truth, one.tally) for name, one in self._records.items()},
                injected=faults.injected,
                lives=agent.lives,
                exits=agent.exits,
                peak=agent.peak,
                settled=settled,
                troubles=faults.troubles,
            )
            if not figures.good:
                self._keep_logs(engine, containers)
            return figures

    # ---------------------------------------------------------------------------- its course

    def _lanes(
        self, agent: Agent, engine: PrivateEngine, containers: Containers, faults: Faults
    ) -> None:
        do: dict[str, Callable[[Action], None]] = dict.fromkeys(SINKS, faults.on_sink)
        do |= {"agent": faults.on_agent, "engine": faults.on_engine}
        lanes: dict[str, list[Action]] = defaultdict(list)
        for action in self._actions:
            lanes[action.lane].append(action)
        began = time.monotonic()
        threads = [
            threading.Thread(
                target=self._lane,
                args=(began, actions, do.get(lane, containers.do)),
                name=lane,
                daemon=True,
            )
            for lane, actions in lanes.items()
        ]
        over = threading.Event()
        checking = threading.Thread(
            target=self._check, args=(containers, over), name="check", daemon=True
        )
        for thread in (*threads, checking):
            thread.start()
        for thread in threads:
            while thread.is_alive():
                thread.join(1.0)  # with a timeout, so that Ctrl-C is noticed
        over.set()
        checking.join()
        if self._failures:
            raise self._failures[0]

    def _lane(self, began: float, actions: list[Action], do: Callable[[Action], None]) -> None:
        try:
            for action in actions:
                if self._stop.wait(max(0.0, began + action.at - time.monotonic())):
                    return
                if time.monotonic() > began + self._end + LATE:
                    return
                self._note(f"{time.monotonic() - began:6.1f} s  begins  {action}")
                do(action)
                self._note(f"{time.monotonic() - began:6.1f} s  is over {action}")
        except BaseException as error:
            self._failures.append(error)
            self._stop.set()

    def _check(self, containers: Containers, over: threading.Event) -> None:
        try:
            while not (over.wait(CHECK_EVERY) or self._stop.is_set()):
                self._read()
                containers.remove_delivered(self._everywhere)
        except BaseException as error:
            self._failures.append(error)
            self._stop.set()

    def _note(self, text: str) -> None:
        with (self._folder / "course").open("a") as file:
            file.write(text + "\n")

    # ------------------------------------------------------------------------------- its end

    def _read(self) -> None:
        for record in self._records.values():
            record.read()

    def _everywhere(self, truth: Tally) -> bool:
        return all(record.tally.has(truth) for record in self._records.values())

    def _settle(self, containers: Containers) -> Tally:
        """Waits until all is everywhere, or nothing more comes; what the Engine has."""
        truth = containers.truth()
        began = last = time.monotonic()
        before = -1
        while True:
            self._read()
            if self._everywhere(truth):
                return truth
            now, lines = time.monotonic(), sum(r.tally.lines for r in self._records.values())
            if lines != before:
                before, last = lines, now
            if now - last > self._patience or now - began > LONGEST_SETTLING:
                return truth
            time.sleep(1.0)

    def _finish(self, agent: Agent, faults: Faults) -> None:
        metrics = agent.metrics()
        (self._folder / "metrics").write_text(metrics)
        status = agent.end(signal.SIGTERM)
        if status != 0:
            faults.troubles.append(f"with all sinks there the agent ended with {status}")
        faults.troubles += [f"the agent said: {line}" for line in agent.bugs()]
        faults.troubles += _dropped(metrics)
        faults.troubles += agent.unbalanced[:10]
        for peer in self._peers.values():
            peer.ask("vanish")
        self._read()
        record = self._records["syslog"]
        assert isinstance(record, SyslogRecord)
        faults.troubles += record.errors[:10]

    def _keep_logs(self, engine: PrivateEngine, containers: Containers) -> None:
        """The Engine and its logs are gone when this is over."""
        folder = self._folder / "engine"
        folder.mkdir()
        for name in set(containers.started) - set(containers.removed):
            try:
                where = engine.docker("inspect", "--format", "{{.LogPath}} {{.State}}", name)
                path, _, state = where.partition(" ")
                (folder / f"{name}.state").write_text(state)
                (folder / f"{name}.json").write_bytes(Path(path).read_bytes())
            except (EngineError, OSError) as error:
                self._note(f"the log of {name} is not kept: {error}")
        (folder / "dockerd").write_bytes(engine.log_path.read_bytes())


def _dropped(metrics: str) -> list[str]:
    """What the agent counts as dropped: with these sinks there should be none."""
    return [
        line
        for line in metrics.splitlines()
        if line.startswith("dockline_dropped_entries_total{") and not line.endswith(" 0.0")
    ]


def _until(holds: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:g} s in vain for {what}")
        time.sleep(0.1)


def write_plan(folder: Path, actions: list[Action]) -> None:
    (folder / "plan").write_text("".join(f"{action}\n" for action in actions))


def write_lost(folder: Path, figures: Figures) -> None:
    """Every line that is not as it should be, by sink."""
    wrong: Mapping[str, object] = {
        name: {"lost": sink.lost, "disordered": sink.disordered, "foreign": sink.foreign}
        for name, sink in figures.sinks.items()
    }
    (folder / "wrong.json").write_text(json.dumps(wrong, default=lambda raw: raw.decode("latin-1")))
