"""The processes that share a stream, each of which tells the others once a second that it is there.

They agree on who is to read which partition by nothing but their names, see `shares`. Two that do
not know of each other for a while may both want a partition; that only one of them gets messages of
it is up to the server's pinned consumers, and not to what is said here.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Annotated, Final

import msgspec

from pipeline.model.records import NOT_JSON
from pipeline.support.rate_limit import RateLimit
from pipeline.transport.nats.connection import NatsConnection
from pipeline.transport.nats.shares import assign
from pipeline.transport.net.errors import printable

if TYPE_CHECKING:
    from nats.aio.msg import Msg

log = logging.getLogger(__name__)

EVERY: Final = 1.0
"""Seconds between two words of a process that it is there."""
SILENT: Final = 4.0
"""Multiple of that after which a process that says nothing is taken to be gone."""
MOST: Final = 1024
"""Processes that are heard of; more are ignored."""


class Word(msgspec.Struct, frozen=True):
    """What a process says of itself."""

    id: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{16}$")]
    host: Annotated[str, msgspec.Meta(max_length=256)]
    shares: int
    """Number of partitions that it knows of."""
    takes: bool
    """Whether it wants to read. One that stops only finishes."""
    has: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{1,1024}$")]
    """The partitions that it reads or has unacknowledged messages of: a bit for each, as one
    hexadecimal number."""


_word: Final = msgspec.json.Decoder(Word).decode


class Member:
    """Another process, as it was heard last."""

    __slots__ = ("has", "heard", "host", "id", "takes")

    def __init__(self, word: Word, heard: float) -> None:
        self.id = word.id
        self.host = printable(word.host)
        self.takes = word.takes
        self.has = int(word.has, 16)
        self.heard = heard


class Members:
    """One process among those that share a stream. It is heard, and hears, over one connection
    after another."""

    def __init__(
        self,
        nats: NatsConnection,
        subject: str,
        host: str,
        shares: int,
        has: Callable[[], Collection[int]],
    ) -> None:
        """`subject` is the same for all that share. `has` gives the partitions that this process
        reads, or has unacknowledged messages of."""
        self.changed = asyncio.Event()
        """Set when another process comes or goes."""
        self._nats = nats
        self._subject = subject
        self._host = host
        self._shares = shares
        self._has = has
        self._id = secrets.token_hex(8)
        self._takes = True
        self._others: dict[str, Member] = {}
        self._answer = asyncio.Event()
        """Somebody is new, and knows nothing of us."""
        self._odd = RateLimit()
        self._assigned: tuple[list[str], set[int]] | None = None

    async def open(self) -> None:
        """Begins to listen, over the connection that is open now. Raises `Unavailable`."""
        self.forget()
        self._takes = True
        await self._nats.subscribe(self._subject, self._heard)

    async def run(self) -> None:
        """Says that this process is there, until it is cancelled. Raises `Unavailable`."""
        while True:
            self._answer.clear()
            await self.say()
            self._forget_silent()
            try:
                async with asyncio.timeout(EVERY):
                    await self._answer.wait()
            except TimeoutError:
                continue
            await asyncio.sleep(EVERY / 10)  # for others that come at the same time

    async def say(self) -> None:
        """Tells the others what this process has. Raises `Unavailable`."""
        has = 0
        for partition in self._has():
            has |= 1 << partition
        word = Word(self._id, self._host[:256], self._shares, self._takes, f"{has:x}")
        await self._nats.publish(self._subject, msgspec.json.encode(word))

    def stop_taking(self) -> None:
        """From now on, this process wants no partition, and only finishes. To be followed by
        `say`."""
        self._takes = False

    def forget(self) -> None:
        """Forgets the others, as there is no connection any more."""
        self._others.clear()

    # -------------------------------------------------------------------------- what is known

    @property
    def others(self) -> list[Member]:
        """The other processes, by name of their hosts."""
        return sorted(self._others.values(), key=lambda one: (one.host, one.id))

    def mine(self) -> set[int]:
        """The partitions that this process is to read."""
        hubs = sorted([self._id, *(one.id for one in self._others.values() if one.takes)])
        if self._assigned is None or self._assigned[0] != hubs:
            readers = assign(self._shares, hubs)
            self._assigned = hubs, {n for n, hub in enumerate(readers) if hub == self._id}
        return self._assigned[1]

    def other_with(self, partition: int) -> Member | None:
        """Another process that reads a partition or still has messages of it; None if nobody
        says so."""
        found = (one for one in self._others.values() if one.has >> partition & 1)
        return next(found, None)

    # ------------------------------------------------------------------------------ listening

    def _heard(self, message: Msg) -> None:
        try:
            word = _word(message.data)
        except NOT_JSON:
            return
        if word.id == self._id:
            return
        if word.shares != self._shares:
            if self._odd():
                log.warning(
                    "a hub on %s shares out %d partitions, and this one %d; set the same number",
                    *(printable(word.host), word.shares, self._shares),
                )
            return
        known = self._others.get(word.id)
        if not word.takes and word.has == "0":
            if self._others.pop(word.id, None) is not None:
                self.changed.set()
            return
        if known is None and len(self._others) >= MOST:
            return
        self._others[word.id] = Member(word, asyncio.get_running_loop().time())
        if known is None:
            self._answer.set()
        if known is None or known.takes != word.takes:
            self.changed.set()

    def _forget_silent(self) -> None:
        since = asyncio.get_running_loop().time() - SILENT * EVERY
        gone = [one.id for one in self._others.values() if one.heard < since]
        for name in gone:
            del self._others[name]
        if gone:
            self.changed.set()
