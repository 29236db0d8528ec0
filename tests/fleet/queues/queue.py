"""What a run needs of a queue, whichever it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True)
class Rest:
    """What is left in a queue, in messages of it."""

    given_to_none: int = 0
    """That no hub was given."""
    not_answered: int = 0
    """That a hub was given and has not acknowledged, and that are there."""
    notes: tuple[str, ...] = ()
    """What else the server counts, in words. Nothing is lost by it, and nobody will be given it."""

    def odd(self) -> list[str]:
        """What is not as it should be when every line is stored."""
        found = {
            f"{self.given_to_none:,} messages were given to no hub": self.given_to_none,
            f"{self.not_answered:,} messages are there and not acknowledged": self.not_answered,
        }
        return [what for what, holds in found.items() if holds]


class Queue(ABC):
    """Runs while the context lasts."""

    name: str
    """As people write it."""
    agent: str
    """Options of an agent's sink."""
    hub: str
    """Options of a hub's source."""

    def __init__(self) -> None:
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._start_all(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *raised: object) -> None:
        self._stack.close()

    @abstractmethod
    def _start_all(self, stack: ExitStack) -> None:
        """Starts the servers, which end with `stack`."""

    @property
    @abstractmethod
    def version(self) -> str:
        """What its servers call themselves."""

    @property
    @abstractmethod
    def pid(self) -> int:
        """Of its server."""

    @abstractmethod
    def kept(self) -> int:
        """Bytes of what it keeps."""

    @abstractmethod
    def messages(self) -> int:
        """That no hub has acknowledged, whether hubs have run or not. Of a server that was killed,
        perhaps some that were."""

    @abstractmethod
    def kill(self) -> None:
        """`kill -9`, of one server."""

    @abstractmethod
    def start(self) -> None:
        """Starts what was killed. Returns when it answers."""

    @abstractmethod
    def waiting(self) -> int:
        """Messages that no hub has acknowledged, as the server counts them once hubs have run."""

    @abstractmethod
    def rest(self) -> Rest:
        """The same, told apart. Slow with many messages."""
