"""Puts a simulated world in the place of the operating system.

The agent asks the world for everything through Python's own modules: `os`, `io`, `time`, `socket`,
`select`, `threading`, `queue`. These are the seam. `install` replaces in them what asks the
operating system, once and before any module of the agent is imported, by functions that ask the
world that is there at the moment, and the operating system when there is none. So the agent's code
is what it is in production, and so is that of its libraries.
"""

from __future__ import annotations

import asyncio
import builtins
import ctypes
import fcntl
import gc
import io
import os
import queue
import random
import select
import selectors
import socket
import struct
import termios
import threading
import time
from asyncio import base_events, unix_events
from collections.abc import Callable
from itertools import count
from typing import Any

from tests.simulation.world.files import FIRST, Files
from tests.simulation.world.network import Network
from tests.simulation.world.sockets import Epoll, Inotify, Poll, Socket, Sockets
from tests.simulation.world.threads import Queue, Thread
from tests.simulation.world.world import SECOND, UPTIME, World

ROOT = "/simulated"
"""The folder that all simulated files are in."""


class System:
    """All that one world has in the place of the operating system."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.files = Files(world)
        self.network = Network(world)
        self.sockets = Sockets(world, self.files, self.network)
        self.random = world.chance("random numbers")


class Present:
    """What is there at the moment."""

    system: System | None = None
    """None for the real operating system."""
    numbers = count()
    """Of objects: see `number`."""
    installed = False


def enter(system: System | None) -> None:
    """From now on this is the system; None for the real one."""
    Present.system = system
    if system is not None:
        Thread.world = Queue.world = system.world
        random.setstate(system.random.getstate())
        Present.numbers = count()
    gc.callbacks.clear()  # of agents that were killed


def _acting() -> System | None:
    """The system, while a process of it acts."""
    return (
        Present.system
        if Present.system is not None and Present.system.world.current is not None
        else None
    )


def _real_path(path: Any) -> str | None:
    """A path as text if it is a simulated one."""
    if isinstance(path, int):
        return None
    text = os.fspath(path)
    if isinstance(text, bytes):
        text = os.fsdecode(text)
    return text if text.startswith(ROOT) else None


# ------------------------------------------------------------------------------------------ files


def _on_path(name: str) -> None:
    real = getattr(os, name)

    def called(path: Any, *arguments: Any, **named: Any) -> Any:
        if Present.system is not None and Present.system.world.current is not None:
            if isinstance(path, int):
                if path >= FIRST:
                    return getattr(
                        Present.system.files, "fstat" if name in ("stat", "lstat") else name
                    )(path, *arguments)
            elif (text := _real_path(path)) is not None:
                named.pop("dir_fd", None)
                named.pop("follow_symlinks", None)
                return getattr(Present.system.files, "stat" if name == "lstat" else name)(
                    text, *arguments, **named
                )
        return real(path, *arguments, **named)

    called.__name__ = name
    setattr(os, name, called)


def _on_descriptor(name: str, theirs: str | None = None) -> None:
    real = getattr(os, name)

    def called(descriptor: Any, *arguments: Any) -> Any:
        if Present.system is not None and isinstance(descriptor, int) and descriptor >= FIRST:
            return getattr(Present.system.files, theirs or name)(descriptor, *arguments)
        return real(descriptor, *arguments)

    called.__name__ = name
    setattr(os, name, called)


def _files() -> None:
    for name in ("open", "stat", "lstat", "unlink", "remove", "mkdir", "rmdir", "chmod", "listdir",
                 "scandir", "truncate"):  # fmt: skip
        _on_path(name)
    access = os.access

    def sim_access(path: Any, mode: int, **named: Any) -> bool:
        if _acting() is not None and (text := _real_path(path)) is not None:
            assert Present.system is not None
            try:
                Present.system.files.stat(text)
            except OSError:
                return False
            return True
        return access(path, mode, **named)

    os.access = sim_access
    for name, theirs in (("close", None), ("write", None), ("pread", None), ("pwrite", None),
                         ("preadv", None), ("fsync", None), ("fdatasync", "fsync"), ("fstat", None),
                         ("ftruncate", "truncate"), ("fchmod", "chmod")):  # fmt: skip
        _on_descriptor(name, theirs)
    Files.remove = Files.unlink  # type: ignore[attr-defined]

    read, readv = os.read, os.readv

    def sim_read(descriptor: int, size: int) -> bytes:
        if Present.system is not None and descriptor >= FIRST:
            handle = Present.system.files.handle(descriptor)
            if isinstance(handle, Inotify):
                return handle.take(size)
            if isinstance(handle, Socket):
                return handle.recv(size)
            return Present.system.files.read(descriptor, size)
        return read(descriptor, size)

    def sim_readv(descriptor: int, buffers: Any) -> int:
        if Present.system is not None and descriptor >= FIRST:
            handle = Present.system.files.handle(descriptor)
            return handle.recv_into(buffers[0])  # type: ignore[no-any-return]
        return readv(descriptor, buffers)

    os.read, os.readv = sim_read, sim_readv

    for name in ("rename", "replace"):
        real = getattr(os, name)

        def renamed(old: Any, new: Any, *, real: Any = real, **named: Any) -> None:
            if _acting() is not None and (text := _real_path(old)) is not None:
                target = _real_path(new)
                assert Present.system is not None and target is not None
                Present.system.files.rename(text, target)
                return
            real(old, new, **named)

        setattr(os, name, renamed)

    real_open = io.open

    def opened(file: Any, mode: str = "r", buffering: int = -1, encoding: str | None = None,
               errors: str | None = None, newline: str | None = None, closefd: bool = True,
               opener: Any = None) -> Any:  # fmt: skip
        system = _acting()
        if system is not None:
            simulated: Any = None
            if isinstance(file, int):
                simulated = file if file >= FIRST else None
            else:
                simulated = _real_path(file)
            if simulated is not None:
                named = {"encoding": encoding, "errors": errors, "newline": newline}
                return system.files.opened(
                    simulated, mode, buffering, {**named, "closefd": closefd}
                )
        return real_open(file, mode, buffering, encoding, errors, newline, closefd, opener)

    io.open = opened  # type: ignore[assignment]
    builtins.open = opened  # type: ignore[assignment]

    def fdopen(descriptor: int, mode: str = "r", buffering: int = -1, encoding: str | None = None,
               *arguments: Any, **named: Any) -> Any:  # fmt: skip
        return opened(descriptor, mode, buffering, encoding, *arguments, **named)

    os.fdopen = fdopen

    flock, ioctl, fcntl_ = fcntl.flock, fcntl.ioctl, fcntl.fcntl

    def sim_flock(descriptor: Any, operation: int) -> None:
        number = descriptor if isinstance(descriptor, int) else descriptor.fileno()
        if Present.system is not None and number >= FIRST:
            Present.system.files.flock(number, operation)
        else:
            flock(descriptor, operation)

    def sim_ioctl(descriptor: Any, request: int, argument: Any = 0, mutate: bool = True) -> Any:
        if isinstance(descriptor, Socket) and request == termios.TIOCOUTQ:
            return struct.pack("i", descriptor.unacknowledged())
        return ioctl(descriptor, request, argument, mutate)

    def sim_fcntl(descriptor: Any, *arguments: Any) -> Any:
        number = descriptor if isinstance(descriptor, int) else descriptor.fileno()
        return 0 if number >= FIRST else fcntl_(descriptor, *arguments)

    fcntl.flock, fcntl.ioctl, fcntl.fcntl = sim_flock, sim_ioctl, sim_fcntl  # type: ignore

    uname = os.uname

    def sim_uname() -> Any:
        system = _acting()
        if system is None:
            return uname()
        real = uname()
        host = system.world.current.process.host.name
        return os.uname_result((real.sysname, host, real.release, real.version, real.machine))

    os.uname = sim_uname

    cdll = ctypes.CDLL

    def library(name: Any = None, *arguments: Any, **named: Any) -> Any:
        return Libc() if name is None and _acting() is not None else cdll(name, *arguments, **named)

    ctypes.CDLL = library  # type: ignore[assignment,misc]


class Libc:
    """As `ctypes.CDLL(None)`: inotify."""

    def inotify_init1(self, flags: int) -> int:
        assert Present.system is not None
        return Inotify(Present.system.sockets).descriptor

    def inotify_add_watch(self, descriptor: int, path: bytes, mask: int) -> int:
        assert Present.system is not None
        return Present.system.files.handle(descriptor).add(int(path.rpartition(b"/")[2]), mask)  # type: ignore

    def inotify_rm_watch(self, descriptor: int, watch: int) -> int:
        assert Present.system is not None
        return Present.system.files.handle(descriptor).remove(watch)  # type: ignore[no-any-return]


# ------------------------------------------------------------------------------------------- time


def _time() -> None:
    real_sleep, real_time, real_time_ns = time.sleep, time.time, time.time_ns

    def sim_time_ns() -> int:
        if Present.system is None or Present.system.world.current is None:
            return real_time_ns()
        return Present.system.world.current.process.host.time()  # type: ignore[no-any-return]

    def sim_time() -> float:
        if Present.system is None or Present.system.world.current is None:
            return real_time()
        return Present.system.world.current.process.host.time() / SECOND  # type: ignore[no-any-return]

    def _clock(real: Callable[[], Any], scale: int | None) -> Callable[[], Any]:
        def read() -> Any:
            if (system := Present.system) is None or (world := system.world).current is None:
                return real()
            return UPTIME + world.now if scale is None else (UPTIME + world.now) / scale

        return read

    def sim_sleep(seconds: float) -> None:
        if Present.system is None or Present.system.world.current is None:
            real_sleep(seconds)
            return
        strand = Present.system.world.current
        strand.process.called()
        strand.sleep(int(seconds * SECOND))

    time.time, time.time_ns, time.sleep = sim_time, sim_time_ns, sim_sleep  # type: ignore
    for name in ("monotonic", "perf_counter", "process_time", "thread_time"):
        setattr(time, name, _clock(getattr(time, name), SECOND))
        setattr(time, f"{name}_ns", _clock(getattr(time, f"{name}_ns"), None))


# --------------------------------------------------------------------------- sockets, event loops


def _sockets() -> None:
    real_socket, real_pair, real_info = socket.socket, socket.socketpair, socket.getaddrinfo

    class Either(real_socket):  # type: ignore[valid-type,misc]
        """A socket of the world while a process acts; `isinstance` knows both."""

        def __new__(
            cls, family: Any = -1, type: Any = -1, proto: Any = -1, fileno: Any = None
        ) -> Any:
            system = _acting()
            if system is not None:
                return Socket(system.sockets, family, type, proto)
            return real_socket.__new__(real_socket, family, type, proto, fileno)

    def sim_pair(*arguments: Any, **named: Any) -> Any:
        system = _acting()
        return real_pair(*arguments, **named) if system is None else system.sockets.pair()

    def sim_info(
        host: Any, port: Any, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0
    ) -> Any:
        system = _acting()
        if system is None:
            return real_info(host, port, family, type, proto, flags)
        return system.sockets.addresses(host, port, family, type)

    socket.socket = Either  # type: ignore[misc]
    socket.socketpair, socket.getaddrinfo = sim_pair, sim_info  # type: ignore[assignment]

    real_epoll, real_poll = select.epoll, select.poll

    def epoll(*arguments: Any) -> Any:
        system = _acting()
        return real_epoll(*arguments) if system is None else Epoll(system.sockets)

    def poll() -> Any:
        system = _acting()
        return real_poll() if system is None else Poll(system.files)

    select.epoll, select.poll = epoll, poll  # type: ignore[assignment,misc]
    selectors.EpollSelector._selector_cls = staticmethod(epoll)  # type: ignore[attr-defined]


class Task(asyncio.Task):  # type: ignore[type-arg]
    """A task whose place in a set does not depend on where it is in memory."""


class Future(asyncio.Future):  # type: ignore[type-arg]
    """The same, of what is no task."""


def number(kind: type) -> None:
    """Has objects of a class placed in sets by a number instead of where they are in memory. To be
    called for classes of which the agent goes through a set."""

    def numbered(self: Any) -> int:
        try:
            return self._number  # type: ignore[no-any-return]
        except AttributeError:
            self._number = next(Present.numbers)
            return self._number

    kind.__hash__ = numbered  # type: ignore[assignment,method-assign]


number(Task)
number(Future)


def _loops() -> None:
    loop_class = unix_events._UnixSelectorEventLoop
    init, in_executor = loop_class.__init__, base_events.BaseEventLoop.run_in_executor
    add, remove = loop_class.add_signal_handler, loop_class.remove_signal_handler

    def made(self: Any, *arguments: Any, **named: Any) -> None:
        init(self, *arguments, **named)
        system = _acting()
        if system is not None:
            process = system.world.current.process
            process.loops.append(self)

            def task(loop: Any, coro: Any, **named: Any) -> Task:
                made = Task(coro, loop=loop, **named)
                process.tasks.add(made)
                return made

            self.set_task_factory(task)

    def executed(self: Any, executor: Any, func: Callable[..., Any], *arguments: Any) -> Any:
        system = _acting()
        if system is None:
            return in_executor(self, executor, func, *arguments)
        future = self.create_future()

        def finish(result: Any, problem: BaseException | None) -> None:
            if future.done():
                return
            if problem is not None:
                future.set_exception(problem)
            else:
                future.set_result(result)

        def run() -> None:
            try:
                result = func(*arguments)
            except Exception as problem:
                self.call_soon_threadsafe(finish, None, problem)
            else:
                self.call_soon_threadsafe(finish, result, None)

        system.world.current.process.thread("executor", run)
        return future

    def handled(self: Any, number: int, callback: Callable[..., Any], *arguments: Any) -> None:
        system = _acting()
        if system is None:
            add(self, number, callback, *arguments)
        else:
            system.world.current.process.signals[number] = self, lambda: callback(*arguments)

    def unhandled(self: Any, number: int) -> bool:
        system = _acting()
        if system is None:
            return remove(self, number)  # type: ignore[no-any-return]
        return system.world.current.process.signals.pop(number, None) is not None

    loop_class.__init__ = made
    loop_class.create_future = lambda self: Future(loop=self)
    base_events.BaseEventLoop.run_in_executor = executed  # type: ignore[method-assign]
    loop_class.add_signal_handler, loop_class.remove_signal_handler = handled, unhandled


def _threads() -> None:
    real_thread, real_queue = threading.Thread, queue.SimpleQueue

    class EitherThread(real_thread):
        def __new__(cls, *arguments: Any, **named: Any) -> Any:
            if cls is EitherThread and _acting() is not None:
                return Thread(*arguments, **named)
            return super().__new__(cls)

    class EitherQueue:
        def __new__(cls) -> Any:
            return real_queue() if _acting() is None else Queue()

        def __class_getitem__(cls, _: Any) -> Any:
            return cls

    threading.Thread = EitherThread  # type: ignore[misc]
    queue.SimpleQueue = EitherQueue  # type: ignore[misc,assignment]


def _chance() -> None:
    real = os.urandom

    def urandom(size: int) -> bytes:
        system = _acting()
        return real(size) if system is None else system.random.randbytes(size)

    os.urandom = urandom
    random._urandom = urandom  # type: ignore[attr-defined]

    collect, enable, freeze = gc.collect, gc.enable, gc.freeze
    gc.collect = lambda *a, **k: collect(*a, **k) if _acting() is None else 0
    gc.enable = lambda: enable() if _acting() is None else None
    gc.freeze = lambda: freeze() if _acting() is None else None


def install() -> None:
    """Replaces what asks the operating system. To be called before the agent is imported."""
    if not Present.installed:
        Present.installed = True
        for part in (_files, _time, _sockets, _threads, _loops, _chance):
            part()
