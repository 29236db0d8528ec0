"""What is done to the agent, to dockerd and to the sinks' other ends."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter

from pipeline.errors import EngineError
from pipeline.testing.private_engine import PrivateEngine
from tests.chaos.agent import Agent
from tests.chaos.containers import Containers
from tests.chaos.plan import Action
from tests.chaos.receivers import Peer

STARTS = 5
"""Attempts to start dockerd."""
PAID = 45.0
"""Seconds in which the agent has to be back at a syslog receiver that is there again."""


class Faults:
    """One method for each lane; each comes back when its fault is over."""

    def __init__(
        self,
        agent: Agent,
        engine: PrivateEngine,
        containers: Containers,
        peers: dict[str, Peer],
        stop: threading.Event,
    ) -> None:
        self.injected: Counter[str] = Counter()
        self.troubles: list[str] = []
        """What should not have been, lines apart."""
        self._agent = agent
        self._engine = engine
        self._containers = containers
        self._peers = peers
        self._stop = stop
        self._plain = threading.Lock()
        """Held while the agent ends, and from the breaking of a syslog connection until what it
        owed has been sent again. Syslog acknowledges nothing, so what is owed is in the agent's
        memory alone, and an agent that is killed just then loses it, as docs/delivery.md says."""

    def on_agent(self, action: Action) -> None:
        number = signal.Signals[action.verb]
        with self._plain:
            status = self._agent.end(number)
            if self._peers["syslog"].alive:
                self._peers["syslog"].ask("orphans")
        if number == signal.SIGTERM and status not in (0, 1):
            self.troubles.append(f"the agent ended with {status} at a SIGTERM")
        self._wait(action.seconds)
        self._agent.start()
        self.injected[f"agent {action.verb}"] += 1

    def on_engine(self, action: Action) -> None:
        self._containers.up.clear()
        self._engine.stop(signal.Signals[action.verb])
        self._wait(action.seconds)
        for left in reversed(range(STARTS)):
            try:
                self._engine.start()
                break
            except EngineError:  # it waits for a containerd that has just been killed, in vain
                if not left:
                    raise
        self._containers.up.set()
        self.injected[f"dockerd {action.verb}"] += 1

    def on_sink(self, action: Action) -> None:
        peer = self._peers[action.lane]
        if action.lane == "syslog" and action.verb in ("vanish", "reset", "kill"):
            if action.verb == "reset":
                self._away(peer, "deaf", "", action.seconds)
            with self._plain:
                self._break_plain(peer, action)
        elif action.verb == "kill":
            peer.kill()
            self._wait(action.seconds)
            peer.start()
        elif action.verb == "freeze":
            peer.signal(signal.SIGSTOP)
            self._wait(action.seconds)
            peer.signal(signal.SIGCONT)
        elif action.verb in ("reset", "half"):
            peer.ask(action.verb)
        else:
            before, after = {"vanish": ("vanish", "listen"), "silence": ("silence", "speak"),
                             "deaf": ("deaf", "hear")}[action.verb]  # fmt: skip
            self._away(peer, before, after, action.seconds)
        self.injected[f"{action.lane} {action.verb}"] += 1

    def _away(self, peer: Peer, before: str, after: str, seconds: float) -> None:
        peer.ask(before)
        self._wait(seconds)
        if after:
            peer.ask(after)

    def _break_plain(self, peer: Peer, action: Action) -> None:
        if action.verb == "reset":
            broken = peer.ask("reset")
            peer.ask("hear")
        else:
            broken = peer.ask("vanish")
            if action.verb == "kill":
                peer.kill()
            self._wait(action.seconds)
            if action.verb == "kill":
                peer.start()
            else:
                peer.ask("listen")
        if broken and self._agent.alive:
            self._until_paid(peer)

    def _until_paid(self, peer: Peer) -> None:
        """The agent has noticed, is back, and has sent again what it owed."""
        deadline = time.monotonic() + PAID
        while time.monotonic() < deadline and not self._stop.is_set():
            if peer.ask("newest") and self._agent.takes("syslog"):
                return
            time.sleep(0.1)
        self.troubles.append(f"the agent was not back at the syslog receiver within {PAID:g} s")

    def _wait(self, seconds: float) -> None:
        self._stop.wait(seconds)
