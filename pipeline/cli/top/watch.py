"""Asks a running agent again and again, and shows the rates between two answers."""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import suppress

import msgspec

from pipeline.cli._agent import AgentClient
from pipeline.cli._terminal import Colour, colours, printable
from pipeline.cli.top.figures import FigureStream, figures_once
from pipeline.cli.top.rates import Rates, rates, with_figures
from pipeline.cli.top.screen import Screen
from pipeline.cli.top.short_numbers import duration
from pipeline.cli.top.view import View, snapshot
from pipeline.model.errors import DocklineError
from pipeline.observe.overview import Overview

SNAPSHOT = 1.0
"""Seconds at most between the two answers that a snapshot is made of."""

LOOK_AGAIN = 0.5
"""Seconds until the size of the terminal is checked again."""


def top(agent: AgentClient, *, every: float, once: bool) -> int:
    """Shows the agent until the user quits. `every`: seconds between two questions.

    Prints one snapshot if `once`, or if there is no terminal. Returns the exit status, 0. Raises
    `DocklineError` when no agent answers at first.
    """
    first = _ask(agent)
    if once or not _is_terminal():
        began = time.monotonic()
        figures = figures_once(agent)
        time.sleep(max(0.0, began + min(every, SNAPSHOT) - time.monotonic()))
        _print(with_figures(rates(first, _ask(agent)), figures))
        return 0
    with Poller(agent, every, first) as poller, suppress(KeyboardInterrupt):  # one way to quit
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
        raise DocklineError(f"{agent.address} does not answer as dockline does: {error}") from error


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
            view.without = poller.without
            screen.draw(view.screen(poller.found, poller.trouble, size.columns, size.lines))
            for key in screen.read(LOOK_AGAIN, poller.bell):
                if not view.key(key):
                    return
            poller.heard()


class Poller:
    """Asks the agent in a thread of its own, so that keys work while it doesn't answer.

    Another thread reads the figures of the containers. `found` has the newest of both, and
    `trouble` what is wrong.
    """

    def __init__(self, agent: AgentClient, every: float, first: Overview) -> None:
        self._found = rates(None, first)
        self._agent = agent
        self._every = every
        self._last = first
        self._problem = ""
        self._since = 0.0
        self._anew = False
        """Whether the agent was restarted since the last answer."""
        self._ended = threading.Event()
        self.bell, self._ring = os.pipe()
        """A file descriptor that is readable when there is anything new."""
        os.set_blocking(self.bell, False)
        os.set_blocking(self._ring, False)
        self._figures = FigureStream(agent, self._tell)
        self._thread = threading.Thread(target=self._run, name="poller", daemon=True)

    def __enter__(self) -> Poller:
        self._thread.start()
        self._figures.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()  # the thread may still wait for an answer: it is not joined
        self._figures.__exit__()

    @property
    def found(self) -> Rates:
        """The newest rates, with the newest figures of each container."""
        return with_figures(self._found, self._figures.by_id)

    @property
    def without(self) -> str:
        """Why there are no figures of containers; empty if there are."""
        return self._figures.problem

    @property
    def trouble(self) -> str:
        """What is wrong with the agent, for the title line; empty if it answers."""
        if self._problem:
            away = duration(time.monotonic() - self._since)
            return f"waiting for the agent, away for {away}: {printable(self._problem)}"
        return "the agent was restarted, and counts from 0" if self._anew else ""

    def heard(self) -> None:
        """Empties the descriptor `bell`, after what is new was seen."""
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
                self._found = rates(self._last, found)
                self._last = found
            self._tell()

    def _tell(self) -> None:
        with suppress(BlockingIOError):  # it is full: that there is something new is known
            os.write(self._ring, b"\n")
