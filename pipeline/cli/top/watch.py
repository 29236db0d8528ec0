"""`dockline top`: asks a running agent again and again, and shows the difference."""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import suppress

import msgspec

from pipeline.cli._agent import AgentClient
from pipeline.cli._terminal import Colour, colours, printable
from pipeline.cli.top.rates import Rates, rates
from pipeline.cli.top.screen import Screen
from pipeline.cli.top.short_numbers import duration
from pipeline.cli.top.view import View, snapshot
from pipeline.errors import DocklineError
from pipeline.overview import Overview

SNAPSHOT = 1.0
"""Seconds between the two answers that a snapshot is made of, at most."""

LOOK_AGAIN = 0.5
"""Seconds between two looks at the size of the terminal."""


def top(agent: AgentClient, *, every: float, once: bool) -> int:
    """The exit status of the command. Raises `DocklineError` when no agent answers at first."""
    first = _ask(agent)
    if once or not _is_terminal():
        time.sleep(min(every, SNAPSHOT))
        _print(rates(first, _ask(agent)))
        return 0
    with Poller(agent, every, first) as poller, suppress(KeyboardInterrupt):  # how it may be ended
        _watch(poller)
    return 0


def _is_terminal() -> bool:
    dumb = os.environ.get("TERM", "dumb") == "dumb"
    return sys.stdin.isatty() and sys.stdout.isatty() and not dumb


def _ask(agent: AgentClient) -> Overview:
    body = agent.get("/top")
    try:
        return msgspec.json.decode(body, type=Overview)
    except msgspec.MsgspecError as error:
        raise DocklineError(f"{agent.address} gives no answer of a dockline: {error}") from error


def _print(found: Rates) -> None:
    paint = colours(sys.stdout)
    styles: dict[str, Colour] = {"head": "bold", "bad": "red"}
    width = os.get_terminal_size().columns if sys.stdout.isatty() else None
    for line in snapshot(found, width):
        print(paint(styles[line.style], line.text) if line.style in styles else line.text)


def _watch(poller: Poller) -> None:
    view = View()
    with Screen() as screen, suppress(EOFError):
        while True:
            size = screen.size
            screen.draw(view.screen(poller.found, poller.trouble, size.columns, size.lines))
            for key in screen.read(LOOK_AGAIN, poller.bell):
                if not view.key(key):
                    return
            poller.heard()


class Poller:
    """Asks in a thread of its own, so that keys are answered while the agent is not there."""

    def __init__(self, agent: AgentClient, every: float, first: Overview) -> None:
        self.found = rates(None, first)
        self._agent = agent
        self._every = every
        self._last = first
        self._problem = ""
        self._since = 0.0
        self._anew = False
        """It has just come back as another process."""
        self._ended = threading.Event()
        self.bell, self._ring = os.pipe()
        """A descriptor that has something to be read when there is anything new."""
        os.set_blocking(self.bell, False)
        self._thread = threading.Thread(target=self._run, name="poller", daemon=True)

    def __enter__(self) -> Poller:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()  # the thread may wait for an answer; nobody waits for it

    @property
    def trouble(self) -> str:
        """What there is to be said instead of the agent's state; empty where it answers."""
        if self._problem:
            away = duration(time.monotonic() - self._since)
            return f"waiting for the agent, away for {away}: {printable(self._problem)}"
        return "the agent has started anew, and counts from 0" if self._anew else ""

    def heard(self) -> None:
        """The bell was heard."""
        with suppress(BlockingIOError):
            os.read(self.bell, 4096)

    def _run(self) -> None:
        while not self._ended.wait(self._every):
            try:
                found = _ask(self._agent)
            except DocklineError as error:
                self._since = self._since if self._problem else time.monotonic()
                self._problem = str(error)
            else:
                self._problem = ""
                self._anew = found.began != self._last.began
                self.found = rates(self._last, found)
                self._last = found
            os.write(self._ring, b"\n")
