"""What sinks write of a container's facts, made once for each container and kept while it lives.

Ten sinks keep what ten thousand containers' labels look like in ten ways, and a client of a source
may make up as many containers, with labels of its own. So all of it has one bound: where there is
more than `MOST`, what is kept of some containers is forgotten, and made again when they log again.

Everything of a container is in one dictionary, for the garbage collector has to look at each object
of each of them in one turn of the event loop. It does not look at keys of text, numbers and plain
`object()`s.
"""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from typing import Any, Final, TypeVar

from pipeline.model.container import Container

MOST: Final = 24 << 20
"""Bytes. JSON has 1.5 KB of a container with twenty labels, of each of its streams."""
OVERHEAD: Final = 300
"""Bytes that each thing kept costs beside its text: a key, and a place in a dictionary."""
OF_A_CONTAINER: Final = 500
"""Bytes that a container costs of which something is kept."""
SHARE: Final = 8
"""A container with very large labels has this part of all at the most, or one thing alone."""

Value = TypeVar("Value")


class _Parts(dict[Hashable, Any]):
    """Of one container."""

    __slots__ = ("size",)

    def __init__(self) -> None:
        super().__init__()
        self.size = OF_A_CONTAINER
        """Bytes."""


class Rendered:
    """By container, and by a key that names all else that it depends on, who has made it included.

    Any thread may use it, and containers may die in any."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._size = 0
        self._lock = threading.Lock()
        self._of: OrderedDict[weakref.ref[Container], _Parts] = OrderedDict()
        self._freed: deque[int] = deque()
        """Bytes of containers that have died, which nobody has counted yet: that may happen in the
        midst of anything."""
        self._forget = self._died
        self._newest_goes = False

    def __len__(self) -> int:
        """Containers of which there is something."""
        return len(self._of)

    @property
    def size(self) -> int:
        """Bytes, near enough."""
        with self._lock:
            return self._counted()

    def once(
        self,
        container: Container,
        key: Hashable,
        make: Callable[[], Value],
        size: Callable[[Value], int],
    ) -> Value:
        """What is kept, or what `make` gives, which is kept: about `size` of it bytes."""
        value: Value | None = self.get(container, key)
        if value is None:
            value = make()
            self.keep(container, key, value, size(value))
        return value

    def get(self, container: Container, key: Hashable) -> Any:
        """None where it has to be made."""
        return self._of.get(weakref.ref(container), _NOTHING).get(key)

    def keep(self, container: Container, key: Hashable, value: Value, size: int) -> Value:
        """The value, which takes about so many bytes."""
        with self._lock:
            parts = self._of.get(weakref.ref(container))
            if parts is None:
                parts = self._of[weakref.ref(container, self._forget)] = _Parts()
                self._size += parts.size
            if parts.size + size > self._most // SHARE:
                parts.clear()
                self._size += OF_A_CONTAINER - parts.size
                parts.size = OF_A_CONTAINER
            parts[key] = value
            parts.size += size + OVERHEAD
            self._size += size + OVERHEAD
            while self._counted() > self._most and self._of:
                self._let_go()
        return value

    def _let_go(self) -> None:
        """In turn of the container that came last and of that which came first: where all log in
        turn, and are a few too many, each would otherwise be forgotten just before it is needed."""
        try:
            _, parts = self._of.popitem(last=self._newest_goes)
        except KeyError:  # all have died since
            return
        self._newest_goes = not self._newest_goes
        self._size -= parts.size

    def _counted(self) -> int:
        while self._freed:
            self._size -= self._freed.popleft()
        return self._size

    def _died(self, reference: weakref.ref[Container]) -> None:
        """Takes no lock: whoever has it may be who let go of the container."""
        parts = self._of.pop(reference, None)
        if parts is not None:
            self._freed.append(parts.size)


_NOTHING: Final = _Parts()

RENDERED: Final = Rendered()
