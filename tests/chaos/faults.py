"""What is done to the agent, to dockerd and to the sinks' other ends."""

from __future__ import annotations

import signal
import threading
from collections import Counter

from pipeline.model.errors import EngineError
from pipeline.testing.private_engine import PrivateEngine
from tests.chaos.agent import Agent
from tests.chaos.containers import Containers
from tests.chaos.plan import Action
from tests.chaos.receivers import Peer

STARTS = 5
"""Attempts to start dockerd."""


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

    def on_agent(self, action: Action) -> None:
        number = signal.Signals[action.verb]
        status = self._agent.end(number)
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
        if action.verb == "kill":
            if action.lane == "syslog":
                peer.ask("vanish")  # what its kernel has acknowledged would be lost, and uncounted
            peer.kill()
            self._wait(action.seconds)
            peer.start()
        elif action.verb == "freeze":
            peer.signal(signal.SIGSTOP)
            self._wait(action.seconds)
            peer.signal(signal.SIGCONT)
        else:
            before, after = _COMMANDS[action.verb]
            peer.ask(before)
            self._wait(action.seconds)
            for command in after:
                peer.ask(command)
        self.injected[f"{action.lane} {action.verb}"] += 1

    def _wait(self, seconds: float) -> None:
        self._stop.wait(seconds)


_COMMANDS = {
    "vanish": ("vanish", ["listen"]),
    "silence": ("silence", ["speak"]),
    "deaf": ("deaf", ["hear"]),
    "reset": ("deaf", ["reset", "hear"]),
    "half": ("half", []),
}
"""What a receiver is told at a fault's beginning, and at its end."""
