"""Processes and their threads.

A thread is a greenlet, here called a strand: it acts until it asks the system for something that
takes time, and then others act. A process is killed by never letting its strands act again.
"""

from __future__ import annotations

import asyncio
import sys
import warnings
from asyncio import events
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Any
from weakref import WeakSet

from greenlet import greenlet

from tests.simulation.world.world import MICROSECOND, Due, World


class Killed(SystemExit):
    """Raised in a process that was killed wherever it asks the system for something, so that
    nothing it does on its way out has an effect.

    A `SystemExit`, for asyncio passes on no other exception of a task at once."""


class Strand:
    """One thread of a process."""

    def __init__(self, process: Process, name: str, target: Callable[[], object]) -> None:
        self.process = process
        self.name = name
        self.done = False
        self._world = process.host.world
        self._target = target
        self._greenlet = greenlet(self._act, self._world.root)
        self._next: Due | None = None
        self._woken = False
        self._waiting = False
        self.joined: list[Strand] = []

    def start(self) -> None:
        self._resume_at(self._world.now + self._soon())

    def wait(self, until: int | None = None) -> bool:
        """Lets others act until `wake` is called, or until that time. Returns whether it was
        called."""
        if until is not None:
            if self._world.nothing_before(until):
                self._world.now = until
                return False
            self._resume_at(until)
        self._woken, self._waiting = False, True
        self._switch_out()
        self._waiting = False
        return self._woken

    def wake(self) -> None:
        """Ends a `wait` soon. May be called at any time."""
        if self._waiting and not self._woken and not self.done:
            self._woken = True
            self._resume_at(self._world.now + self._soon())

    def sleep(self, nanoseconds: int) -> None:
        """Lets others act for so long."""
        until = self._world.now + nanoseconds
        if self._world.nothing_before(until):
            self._world.now = until
            return
        self._resume_at(until)
        self._switch_out()

    def kill(self) -> None:
        """Ends it where it stands."""
        if self._next is not None:
            self._next.cancel()
        if self.done or self._greenlet is self._world.current:
            return
        world, before = self._world, self._world.current
        world.current = self
        try:
            if self._greenlet:
                self._greenlet.throw(Killed)
        finally:
            world.current = before
            self.done = True

    # ------------------------------------------------------------------------------------------

    def _soon(self) -> int:
        chance = self.process.scheduling
        return int(chance.random() ** 4 * 200 * MICROSECOND) + MICROSECOND

    def _resume_at(self, when: int) -> None:
        if self._next is not None:
            self._next.cancel()
        self._next = self._world.at(when, self._resume)

    def _resume(self) -> None:
        self._next = None
        if self.done or not self.process.alive:
            return
        world = self._world
        world.current = self
        try:
            self._greenlet.switch()
        finally:
            world.current = None
            if self.process.ending:
                self.process.bury()

    def _switch_out(self) -> None:
        if not self.process.alive:
            raise Killed
        loop = events._get_running_loop()
        if loop is not None:
            events._set_running_loop(None)
            hooks = sys.get_asyncgen_hooks()
        self._world.root.switch()
        self._world.current = self
        if loop is not None:
            events._set_running_loop(loop)
            sys.set_asyncgen_hooks(*hooks)
        if not self.process.alive:
            raise Killed

    def _act(self) -> None:
        try:
            self._target()
        except Killed:
            self.process.ending = True
        except BaseException as error:
            if self.process.alive:
                self.process.crashed(self, error)
        finally:
            self.done = True
            for one in self.joined:
                one.wake()


class Process:
    """A process on a host."""

    def __init__(self, host: Any, name: str) -> None:
        self.host = host
        self.name = name
        self.world: World = host.world
        self.scheduling: Random = self.world.chance(f"scheduling of {name}")
        self.strands: list[Strand] = []
        self.alive = True
        self.ending = False
        """It was killed by what one of its strands asked for, and is buried when that has ended."""
        self.descriptors: set[int] = set()
        self.signals: dict[int, tuple[asyncio.AbstractEventLoop, Callable[[], object]]] = {}
        self.loops: list[asyncio.AbstractEventLoop] = []
        self.tasks: WeakSet[asyncio.Task[Any]] = WeakSet()
        self.exit_status: int | None = None
        """None while it runs, and of one that was killed."""
        self.error: BaseException | None = None
        """What ended it, if that was a bug."""
        self.ended: Callable[[Process], object] | None = None
        self.kill_at = 0
        """How many more calls of the system it may make; 0 for as many as it likes."""

    def start(self, main: Callable[[], int]) -> None:
        """Begins with `main`, which returns the exit status."""

        def run() -> None:
            self.exit_status = main()
            self.exit()

        self.thread("main", run)

    def thread(self, name: str, target: Callable[[], object]) -> Strand:
        """Starts a thread."""
        strand = Strand(self, name, target)
        self.strands.append(strand)
        strand.start()
        return strand

    def signal(self, number: int) -> None:
        """Sends it a signal that it handles; one that does not handle it yet is killed by it."""
        if not self.alive:
            return
        handler = self.signals.get(number)
        if handler is None:
            self.kill()
            return
        loop, called = handler
        if loop.is_closed():
            return  # it ends already
        kill_at, self.kill_at = self.kill_at, 0  # it makes no call of the system itself
        loop.call_soon_threadsafe(called)
        self.kill_at = kill_at

    def called(self) -> None:
        """Counts a call of the system, which may be the last one."""
        if not self.alive:
            raise Killed
        if self.kill_at:
            self.kill_at -= 1
            if not self.kill_at:
                self.alive, self.ending = False, True
                raise Killed

    def kill(self) -> None:
        """SIGKILL: it makes no step more."""
        if self.strands and (self.alive or self.ending):
            self.bury()
        self.alive = False

    def exit(self) -> None:
        """It has come to its end by itself; what its other threads do is not waited for."""
        self.ending = True
        self.alive = False

    def crashed(self, strand: Strand, error: BaseException) -> None:
        """A strand has ended with an exception that nobody has caught."""
        if strand.name == "main":
            self.error = error
            self.exit()
        else:
            self.world.note(self.name, f"thread {strand.name} ended with {error!r}")
            self.error = error

    def bury(self) -> None:
        """Takes away what is left of a process that has ended."""
        self.ending = self.alive = False
        before, self.world.current = self.world.current, None
        hook, sys.unraisablehook = sys.unraisablehook, _silent
        try:
            warnings.simplefilter("ignore", RuntimeWarning)  # coroutines that never began
            for strand in self.strands:
                strand.kill()
            self.world.current = self.strands[0] if self.strands else None
            for loop in self.loops:
                _bury(loop, list(self.tasks))
        finally:
            self.world.current = before
            sys.unraisablehook = hook
        self.strands.clear()
        self.loops.clear()
        self.host.close_all(self)
        if self.ended is not None:
            self.ended(self)


def _silent(*_: object) -> None:
    pass


def _bury(loop: Any, tasks: list[asyncio.Task[Any]]) -> None:
    loop.set_exception_handler(_silent)
    loop._ready.clear()
    loop._scheduled.clear()
    for task in tasks:
        if task.done():
            continue
        task._log_destroy_pending = False  # type: ignore[attr-defined]
        with suppress(BaseException):
            task.get_coro().close()  # type: ignore[union-attr]
    loop._ready.clear()
    loop._scheduled.clear()
    loop._selector = None
    loop._closed = True


def error(number: int, path: str = "") -> OSError:
    """The `OSError` that the system raises."""
    import os

    return (
        OSError(number, os.strerror(number), path) if path else OSError(number, os.strerror(number))
    )
