"""Starts, ends and removes the containers of a plan on an Engine that may be gone at any moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from pipeline.model.errors import EngineError
from pipeline.testing.docker_client import BUSYBOX
from pipeline.testing.private_engine import PrivateEngine
from tests.chaos.plan import Action
from tests.chaos.talk import SCRIPT, SCRIPT_PATH, Talker
from tests.chaos.tally import Tally
from tests.chaos.truth import kept

ATTEMPTS = 40
_LIMITS = ("--network", "none", "--stop-timeout", "1")


class Containers:
    """Used by several lanes at once, each with containers of its own."""

    def __init__(self, engine: PrivateEngine) -> None:
        self.up = threading.Event()
        """The Engine runs, as far as we know."""
        self.started: dict[str, Talker] = {}
        self.removed: dict[str, Tally] = {}
        """With what the Engine had of them before."""
        self._engine = engine
        self._to_remove: dict[str, None] = {}

    def prepare(self) -> None:
        self._engine.import_busybox(BUSYBOX, {SCRIPT_PATH: SCRIPT})
        self.up.set()

    def do(self, action: Action) -> None:
        if action.verb == "start":
            assert action.talker is not None
            self._start(action.talker)
        elif action.verb == "remove":
            self._to_remove[action.name] = None
        elif action.name in self.started:
            self._try([action.verb, action.name])

    def _start(self, talker: Talker) -> None:
        run = ["run", "--detach", "--name", talker.name, *_LIMITS, "--restart", talker.restart]
        self._try([*run, BUSYBOX, *talker.command()], ["start", talker.name])
        self.started[talker.name] = talker

    def _try(self, *ways: list[str]) -> str:
        """The first of the ways that succeeds: dockerd may have been killed with the work done, or
        half done. Nothing, where the container is not in a state for it."""
        said = ""
        for _ in range(ATTEMPTS):
            for way in ways:
                self.up.wait()
                try:
                    return self._engine.docker(*way)
                except EngineError as error:
                    said = str(error)
                    if "is not running" in said or way[0] == "rm":
                        return ""
            time.sleep(0.5)
        raise EngineError(f"`docker {ways[0][0]}` did not succeed in {ATTEMPTS} attempts: {said}")

    # ------------------------------------------------------------------------- their ends

    def remove_delivered(self, delivered: Callable[[Tally], bool]) -> None:
        """Removes those that are to be, once they have ended and all of each is everywhere: what
        is removed before it was read is lost to everybody, and says nothing about the agent."""
        for name in list(self._to_remove):
            if not self.up.is_set():
                return
            try:
                if self._state(name) != "exited":
                    continue
                truth = kept(self._socket, name)
                if delivered(truth):
                    self._engine.docker("rm", name)
                    self.removed[name] = truth
                    del self._to_remove[name]
            except EngineError:
                continue  # dockerd is being killed; later

    def end_all(self) -> None:
        """Ends those that still run. Called when nothing is killed any more."""
        for name in set(self.started) - set(self.removed):
            if self.started[name].restart != "no":
                self._try(["update", "--restart", "no", name])
            if self._state(name) != "exited":
                self._try(["kill", name])
        deadline = time.monotonic() + 60
        while self._engine.docker("ps", "--quiet") and time.monotonic() < deadline:
            time.sleep(0.5)

    def truth(self) -> Tally:
        """Of all there were."""
        whole = Tally()
        for name in self.started:
            tally = self.removed.get(name) or kept(self._socket, name)
            whole.streams |= tally.streams
            whole.fragments |= tally.fragments
            whole.lines += tally.lines
            whole.disordered += tally.disordered
        return whole

    def _state(self, name: str) -> str:
        return self._engine.docker("inspect", "--format", "{{.State.Status}}", name)

    @property
    def _socket(self) -> str:
        return self._engine.url.removeprefix("unix://")
