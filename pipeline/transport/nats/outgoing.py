"""What is published: messages of one subject, in order, and which of them need not be any more."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Final

_DONE: Final = b"\1"


class Outgoing(ABC):
    """Messages of one subject. They are told by their index."""

    __slots__ = ("_done", "subject")

    def __init__(self, subject: str, count: int) -> None:
        self.subject = subject
        self._done = bytearray(count)

    def __len__(self) -> int:
        return len(self._done)

    def settle(self, start: int, stop: int) -> None:
        """The messages from `start` up to but not including `stop` are not to be published again:
        the stream has them, or they are refused."""
        self._done[start:stop] = _DONE * (stop - start)

    def left(self) -> list[tuple[int, int]]:
        """Those still to be published: from the first index up to the second."""
        done, found, stop = self._done, [], 0
        while (start := done.find(b"\0", stop)) >= 0:
            stop = done.find(_DONE, start)
            stop = len(done) if stop < 0 else stop
            found.append((start, stop))
        return found

    @abstractmethod
    def size(self, start: int, stop: int) -> int:
        """Bytes of the bodies from `start` up to but not including `stop`."""

    @abstractmethod
    def reach(self, start: int, stop: int, room: int) -> int:
        """Where to stop at the latest, so that not more than one of the messages from `start` on
        goes beyond `room` bytes; above `start`."""

    @abstractmethod
    def commands(self, start: int, stop: int, reply: bytes, token: int) -> bytes:
        """The messages as they are sent (`HPUB`). The reply subject of the first is `reply` and the
        number `token`, and of each other one a number that is one higher."""
