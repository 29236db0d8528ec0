"""Threads and what they wait for, as a process sees them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from queue import Empty
from typing import Any

from tests.simulation.world.process import Strand
from tests.simulation.world.world import SECOND, World


class Thread:
    """As `threading.Thread`."""

    world: World

    def __init__(
        self,
        group: None = None,
        target: Callable[..., object] | None = None,
        name: str | None = None,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        daemon: bool | None = None,
    ) -> None:
        self.name = name or "thread"
        self.daemon = daemon
        self._target, self._arguments, self._named = target, args, kwargs or {}
        self._strand: Strand | None = None

    def start(self) -> None:
        assert self._target is not None
        target, arguments, named = self._target, self._arguments, self._named
        process = self.world.current.process
        process.called()
        self._strand = process.thread(self.name, lambda: target(*arguments, **named))

    def join(self, timeout: float | None = None) -> None:
        strand, world = self._strand, self.world
        assert strand is not None
        until = None if timeout is None else world.now + int(timeout * SECOND)
        me: Strand = world.current
        while not strand.done and (until is None or world.now < until):
            strand.joined.append(me)
            me.wait(until)

    def is_alive(self) -> bool:
        return self._strand is not None and not self._strand.done


class Queue:
    """As `queue.SimpleQueue`."""

    world: World

    def __init__(self) -> None:
        self._items: deque[Any] = deque()
        self._waiting: list[Strand] = []

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        self._items.append(item)
        if self._waiting:
            self._waiting.pop(0).wake()

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        strand: Strand = self.world.current
        while not self._items:
            self._waiting.append(strand)
            strand.wait()
        return self._items.popleft()

    def get_nowait(self) -> Any:
        if not self._items:
            raise Empty
        return self._items.popleft()

    put_nowait = put

    def empty(self) -> bool:
        return not self._items

    def qsize(self) -> int:
        return len(self._items)
