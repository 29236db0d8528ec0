"""One run: everything is started, attacked, watched and ended."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from random import Random

from pipeline.model.errors import EngineError
from pipeline.testing.private_engine import PrivateEngine
from tests.hostile.agent import Attacked, outside
from tests.hostile.clients import ATTACKS, Attack
from tests.hostile.config import configuration
from tests.hostile.containers import Containers, kinds
from tests.hostile.neighbours import last_time, noticed
from tests.hostile.payloads import SECRET, payloads
from tests.hostile.report import Figures
from tests.hostile.watched import Watched, turns
from tests.servers.ports import free_port

ROOT = Path(__file__).parents[2]
AT_ONCE = 6
"""Hostile containers that run at a time."""
EACH = 10.0
"""Seconds until the oldest of them makes room for another."""
STORM_EVERY = 12
"""Of these, a storm of short-lived ones."""
HONEST = ("honest-1", "honest-2", "honest-3")
SETTLING = 120.0
"""Seconds that everything has to come to rest in."""


class Course:
    """`run` it once. What there is to see of a failed one is in `folder`."""

    def __init__(
        self, folder: Path, say: Callable[[str], None], *, without: Sequence[str] = ()
    ) -> None:
        """`without`: names of attacks that are left out; `containers` for all hostile ones."""
        self._without = without
        self._folder = folder
        self._say = say
        self._stop = threading.Event()
        self._attacks: dict[str, int] = {}
        self._failures: list[str] = []

    def run(self, seed: int, minutes: float) -> Figures:
        with ExitStack() as stack:
            self._say("starting dockerd, the destinations and the agent")
            engine = stack.enter_context(PrivateEngine())
            made = payloads(seed)
            containers = Containers(engine, self._folder, made)
            agent = Attacked(self._folder / "agent", engine.url)
            ports = {name: free_port() for name in ("forward", "keyed", "syslog_tcp", "syslog_udp")}
            agent.configure(configuration(str(self._folder), ports | self._peers(stack)))
            for name in HONEST:
                containers.start_honest(name)
            stack.enter_context(agent)
            agent.connected()
            ports["admin"] = int(agent.address.rpartition(":")[2])
            watched = Watched(agent, self._folder / "honest.ndjson")
            stack.callback(watched.close)
            stack.callback(self._stop.set)
            self._say(f"attacking it for {minutes:g} minutes")
            self._attack(seed, minutes, agent, containers, [*made], ports)
            self._say("attacked no more: waiting until it has come to rest")
            self._rest(agent, watched)
            for name in HONEST:
                containers.remove(name)
            watched.close()
            status = agent.ended if agent.ended is not None else agent.stop(timeout=60)
            return Figures(
                seed=seed,
                minutes=minutes,
                status=status,
                containers=containers.started,
                attacks=self._attacks,
                watched=watched,
                turns=turns(agent.turns),
                noticed=noticed(self._folder / "honest.ndjson"),
                leaked=self._leaked(),
                bugs=agent.said.count("Traceback"),
                failures=self._failures,
            )

    def _peers(self, stack: ExitStack) -> dict[str, int]:
        peers = subprocess.Popen(
            [sys.executable, "-m", "tests.hostile.peers"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        stack.callback(peers.wait)
        stack.callback(peers.kill)
        assert peers.stdout is not None
        found: dict[str, int] = json.loads(peers.stdout.readline())
        return found

    # ---------------------------------------------------------------------------- attacking

    def _attack(
        self,
        seed: int,
        minutes: float,
        agent: Attacked,
        containers: Containers,
        names: list[str],
        ports: Mapping[str, int],
    ) -> None:
        host = outside()
        clients = [
            threading.Thread(
                target=self._client,
                args=(attack, host, ports, Random(seed + number)),
                name=attack.__name__,
                daemon=True,
            )
            for number, attack in enumerate(ATTACKS)
            if attack.__name__ not in self._without
        ]
        crowd = threading.Thread(
            target=self._crowd, args=(seed, containers, names), name="containers", daemon=True
        )
        threads = clients if "containers" in self._without else [*clients, crowd]
        for thread in threads:
            thread.start()
        until = time.monotonic() + minutes * 60
        while time.monotonic() < until and agent.ended is None:
            time.sleep(0.5)
        self._stop.set()
        for thread in threads:
            thread.join(60)

    def _client(self, attack: Attack, host: str, ports: Mapping[str, int], dice: Random) -> None:
        name = attack.__name__
        while not self._stop.wait(dice.uniform(0.2, 3)):
            try:
                attack(host, ports, dice)
            except AssertionError as error:
                self._failures.append(f"{name}: {error}")
            except OSError:
                continue  # it is refused
            self._attacks[name] = self._attacks.get(name, 0) + 1

    def _crowd(self, seed: int, containers: Containers, names: list[str]) -> None:
        running: deque[str] = deque()
        for number, kind in enumerate(kinds(seed, names)):
            try:
                running.append(containers.start(kind))
                if number % STORM_EVERY == STORM_EVERY - 1:
                    containers.storm(20)
                while len(running) > AT_ONCE:
                    containers.remove(running.popleft())
            except EngineError as error:
                self._failures.append(f"the Engine: {error}")
            if self._stop.wait(EACH):
                break
        for name in running:
            containers.remove(name)

    # ------------------------------------------------------------------------------ its end

    def _rest(self, agent: Attacked, watched: Watched) -> None:
        """Until honest lines come at once again."""
        until = time.monotonic() + SETTLING
        while time.monotonic() < until and agent.ended is None:
            if time.time() - last_time(self._folder / "honest.ndjson") < 1.0 and watched.scrapes:
                return
            time.sleep(0.5)

    def _leaked(self) -> int:
        """Lines with the secret that came through a `redact`, in the files that are still there."""
        return sum(
            SECRET in line
            for file in self._folder.glob("hidden*")
            for line in file.read_text(errors="replace").splitlines()
        )
