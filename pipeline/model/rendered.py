"""Keeps what sinks render of a container's facts, for as long as the container is in use.

Ten sinks may render the labels of ten thousand containers in ten ways, and a client of a source may
invent as many containers with labels of its own. So there is one limit for all of it, `MOST`.
Beyond it, what was rendered for some containers is removed, and rendered again when they log again.

Everything of a container is in one dictionary, since the garbage collector visits each object of
each container in one turn of the event loop. It doesn't visit keys that are strings, numbers or a
plain `object()`.
"""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from typing import Any, Final, TypeVar

from pipeline.model.container import Container

MOST: Final = 24 << 20
"""Limit in bytes. JSON takes 1.5 KB for each stream of a container with twenty labels."""
OVERHEAD: Final = 300
"""Bytes of memory for each thing kept in addition to its text: a key, and an item of a
dictionary."""
OF_A_CONTAINER: Final = 500
"""Bytes of memory for each container of which anything is kept."""
SHARE: Final = 8
"""One container may take this fraction (1/8) of the limit, or more for a single thing."""

Value = TypeVar("Value")


class _Parts(dict[Hashable, Any]):
    """What is kept of one container."""

    __slots__ = ("size",)

    def __init__(self) -> None:
        super().__init__()
        self.size = OF_A_CONTAINER
        """Bytes of memory."""


class Rendered:
    """Rendered values by container and key.

    The key names everything that the value depends on apart from the container, including who
    rendered it. All methods may be called from any thread, and containers may be freed in any.
    """

    def __init__(self, most: int = MOST) -> None:
        """`most`: the limit in bytes."""
        self._most = most
        self._size = 0
        self._lock = threading.Lock()
        self._of: OrderedDict[weakref.ref[Container], _Parts] = OrderedDict()
        self._freed: deque[int] = deque()
        """Bytes of containers that were freed, not subtracted yet: a container may be freed at any
        point of any code."""
        self._forget = self._died
        self._newest_goes = False

    def __len__(self) -> int:
        """The number of containers of which anything is kept."""
        return len(self._of)

    @property
    def size(self) -> int:
        """About how many bytes are kept."""
        with self._lock:
            return self._counted()

    def once(
        self,
        container: Container,
        key: Hashable,
        make: Callable[[], Value],
        size: Callable[[Value], int],
    ) -> Value:
        """The value that is kept, or the result of `make()`, which is then kept.

        `size`: called with the value; returns about how many bytes it takes.
        """
        value: Value | None = self.get(container, key)
        if value is None:
            value = make()
            self.keep(container, key, value, size(value))
        return value

    def get(self, container: Container, key: Hashable) -> Any:
        """The value that is kept; None if it has to be made."""
        return self._of.get(weakref.ref(container), _NOTHING).get(key)

    def keep(self, container: Container, key: Hashable, value: Value, size: int) -> Value:
        """Keeps a value, and returns it. `size`: about how many bytes it takes."""
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
                self._evict_one()
        return value

    def _evict_one(self) -> None:
        """Removes one container's values: the newest and the oldest container in turn.

        If only the oldest were removed and slightly too many containers log in turn, each would be
        removed just before it is needed.
        """
        try:
            _, parts = self._of.popitem(last=self._newest_goes)
        except KeyError:  # all were freed in the meantime
            return
        self._newest_goes = not self._newest_goes
        self._size -= parts.size

    def _counted(self) -> int:
        while self._freed:
            self._size -= self._freed.popleft()
        return self._size

    def _died(self, reference: weakref.ref[Container]) -> None:
        """Called when a container is freed. It takes no lock: the thread that frees the container
        may hold it."""
        parts = self._of.pop(reference, None)
        if parts is not None:
            self._freed.append(parts.size)


_NOTHING: Final = _Parts()

RENDERED: Final = Rendered()
"""What is kept in this process."""
