"""One client's connection: it is let in, what it sends is taken, and acknowledged when safe."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pipeline.forward.chunks import acknowledgement
from pipeline.forward.columns import ForwardColumns, Rows
from pipeline.forward.framing import Framer, ProtocolError
from pipeline.forward.handshake import Hello, Server, name_of
from pipeline.forward.partials import Partials
from pipeline.forward.reading import (
    MOST_VALUES,
    SMALL,
    ForwardMessage,
    end_of_first,
    entries,
    messages,
    objects,
)
from pipeline.model.batch import Batch
from pipeline.model.component import Intake, Taken
from pipeline.support.selector import Pause
from pipeline.transport.net.accepted import READ_BEFORE, AcceptedConnection
from pipeline.transport.net.address import peer_name

HANDSHAKE = 10.0
"""Seconds that a client may take to show that it knows the shared key."""
LONGEST_PING = 4096
"""Bytes of what it shows: two names and three digests, some hundred bytes."""
STALLED = 60.0
"""Seconds that the next part of a message may take to come, and a client to read its answers."""
TLS_HELLO = b"\x16\x03"
"""What a client of TLS begins with, and no client of this protocol."""
TOGETHER = 256
"""Entries that are looked at between two looks at the time: a message of 64 KiB may have twenty
thousand, which took 200 ms."""
MOST_WAITING = 1000
"""Messages that are not acknowledged yet, beyond which a client is read no further."""


@dataclass(slots=True)
class _Handing:
    """What is being handed in, container by container."""

    columns: deque[ForwardColumns]
    chunks: list[str]
    """To be acknowledged when all of it is settled."""
    size: int
    untold: Taken | None = None
    """A part for whose place among those that are to be acknowledged there is no room yet."""


@dataclass
class Door:
    """What all clients of a source share."""

    server: Server | None
    """Who knows the shared key; None where there is none."""
    host: str
    """Name of this host."""
    partials: Partials
    idle: float
    """Seconds that a client may say nothing."""
    max_message: int
    max_unpacked: int
    max_pending: int
    pending: int = 0
    """Bytes of messages that are not complete yet, of all clients."""


class Session:
    """Of one connection."""

    def __init__(self, connection: AcceptedConnection, door: Door, intake: Intake) -> None:
        self._connection = connection
        self._door = door
        self._intake = intake
        self._framer: Framer
        """Once it is let in: 100 kB."""
        self._rows = Rows(peer_name(connection.peer, door.host), door.partials, door.max_unpacked)
        self._pending = 0
        self._handing: _Handing | None = None
        self._waiting: asyncio.Queue[tuple[Taken, list[str]] | None] = asyncio.Queue(MOST_WAITING)
        """What was taken, and the chunks to acknowledge with it."""

    async def run(self) -> None:
        """Until the client has ended it and is told of all that is settled, or nothing more is to
        be taken, or it does not keep to the protocol."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._answer(), name=f"answers to {self._connection.peer}")
                async with self._intake.taking(self._finish):
                    await self._take_all()
                await self._waiting.put(None)
        finally:
            self._door.pending -= self._pending

    async def _take_all(self) -> None:
        try:
            if self._door.server is None or await self._let_in(self._door.server):
                self._connection.admitted = True
                self._framer = Framer(self._door.max_message)
                while data := await self._read():
                    if not self._framer.pending:
                        _check_plain(data)
                    await self._take(data)
        except ProtocolError as error:
            self._intake.refuse(error.kind, f"{self._connection.peer}: {error}")
        except OSError:
            pass  # what it has sent before is dealt with all the same

    async def _read(self) -> bytes:
        patience = STALLED if self._framer.pending else self._door.idle
        try:
            return await self._connection.read(patience)
        except TimeoutError:
            if self._framer.pending:
                raise ProtocolError("it stopped in the middle of a message", "stalled") from None
            raise ProtocolError(f"it said nothing for {patience:g} s", "idle") from None

    async def _let_in(self, server: Server) -> bool:
        hello = Hello.new(users=bool(server.users))
        await self._connection.write(hello.message())
        try:
            async with asyncio.timeout(HANDSHAKE):
                said = await self._ping()
        except TimeoutError:
            raise ProtocolError("it does not answer HELO", "handshake") from None
        if not said:
            return False
        (ping,) = objects(said)
        answer, why = server.pong(ping, hello)
        await self._connection.write(answer)
        if why:
            raise ProtocolError(f"it is not let in: {why}", "handshake")
        self._rows = Rows(name_of(ping[1]), self._door.partials, self._door.max_unpacked)
        return True

    async def _ping(self) -> bytes:
        """What it answers HELO with; empty where it says nothing. A `Framer` would take ten times
        the memory."""
        said = b""
        while data := await self._connection.read(None, READ_BEFORE):
            said += data
            _check_plain(said)
            if len(said) > LONGEST_PING:
                raise ProtocolError(f"PING is longer than {LONGEST_PING} bytes", "too_large")
            if end := end_of_first(said):
                if end < len(said):
                    raise ProtocolError("it did not wait for PONG", "handshake")
                return said
        if said:
            raise ProtocolError("it ended in the middle of PING", "handshake")
        return b""

    # -- what comes ----------------------------------------------------------------------------

    async def _take(self, data: bytes) -> None:
        """A piece at a time: each byte of it may be an object, and is passed over in 0.3 µs."""
        pause = Pause()
        for start in range(0, len(data), SMALL):
            await self._take_piece(data[start : start + SMALL] if len(data) > SMALL else data)
            await pause()

    async def _take_piece(self, data: bytes) -> None:
        broken: ProtocolError | None = None
        try:
            whole, ends = self._framer.feed(data)
        except ProtocolError as error:  # of what comes behind all that is whole
            broken, (whole, ends) = error, self._framer.before
        try:
            self._count_pending()
        except ProtocolError as error:
            broken = broken or error
        try:
            await self._take_whole(whole, ends)
            if broken is not None:
                raise broken
        finally:
            broken = None  # else it has this frame, and the frame it, with all that has come

    async def _take_whole(self, whole: bytes, ends: list[int]) -> None:
        chunks: list[str] = []
        pause = Pause()
        try:
            for message in messages(whole, ends):
                if isinstance(message.entries, bytes):
                    await self._hand_in(chunks)
                    chunks = []
                    await self._take_packed(message)
                else:
                    try:
                        await self._add(message, message.entries, message.size, pause)
                    except ProtocolError:  # a part of it may be there
                        self._rows.take()
                        chunks = []
                        raise
                    chunks += [message.chunk] if message.chunk else []
        except ProtocolError:
            await self._hand_in(chunks)  # what came before it
            raise
        await self._hand_in(chunks)

    async def _take_packed(self, message: ForwardMessage) -> None:
        """All of it, or nothing."""
        pause = Pause()
        try:
            for some, size in entries(message, self._door.max_unpacked):
                await self._add(message, some, size, pause)
        except BaseException:
            self._rows.take()
            raise
        await self._hand_in([message.chunk] if message.chunk else [])

    async def _add(self, message: ForwardMessage, some: list[Any], size: int, pause: Pause) -> None:
        """To the rows, a few at a time."""
        for start in range(0, len(some), TOGETHER):
            part = some[start : start + TOGETHER] if len(some) > TOGETHER else some
            self._rows.add(message.tag, message.option, part, size if not start else 0)
            await pause()

    async def _hand_in(self, chunks: list[str]) -> None:
        """A few containers at a time: a message may name thousands, and each is bound to its routes
        when it is new. The chunks are acknowledged when all are settled."""
        self._report()
        size, columns = self._rows.cost, self._rows.take()
        if not columns and not chunks:
            return
        self._handing = it = _Handing(deque(columns), chunks, size)
        pause = Pause()
        while len(it.columns) > 1:
            share = it.size // len(it.columns)
            it.size -= share
            it.untold = self._intake.take([self._batch(it.columns.popleft())], share)
            await self._waiting.put((it.untold, []))
            it.untold = None
            await pause()
        self._handing = None
        taken = self._intake.take([self._batch(one) for one in it.columns], it.size)
        await self._waiting.put((taken, chunks))
        await taken.placed()

    def _finish(self) -> None:
        """The source is to stop: the rest of what is being handed in, at once, so that the client
        need not send the message again of which some is delivered."""
        it, self._handing = self._handing, None
        if it is None:
            return
        taken = self._intake.take([self._batch(one) for one in it.columns], it.size)
        with suppress(asyncio.QueueFull):  # then it is sent again
            self._waiting.put_nowait((taken, it.chunks if it.untold is None else []))

    def _batch(self, columns: ForwardColumns) -> Batch:
        it, intake = columns, self._intake
        of = intake.container(*it.facts)
        fields = it.fields if any(it.fields) else None
        if not it.sequences:
            batch = intake.batch(
                of, it.lines, it.times, bytes(it.streams), fields=fields, truncated=list(it.flags)
            )
            return batch.replace(bare=True) if it.bare else batch
        return Batch(
            of,
            it.lines,
            it.times,
            bytes(it.streams),
            it.sequences,
            parts=it.parts if any(it.parts) else None,
            source=it.source,
            fields=fields,
            bare=it.bare,
            flags=it.flags or None,
        )

    def _report(self) -> None:
        """Counts the entries that were left out."""
        rows, partials, peer = self._rows, self._door.partials, self._connection.peer
        if rows.malformed:
            self._intake.refuse("malformed_entry", f"{peer}: an entry is none", rows.malformed)
        if rows.too_large:
            why = f"{peer}: an entry has more than {MOST_VALUES:,} values"
            self._intake.refuse("too_large", why, rows.too_large)
        if partials.lost:
            self._intake.refuse("partial_line", "lines in parts never ended", partials.lost)
        rows.malformed = rows.too_large = partials.lost = 0

    def _count_pending(self) -> None:
        door, now = self._door, self._framer.pending
        door.pending += now - self._pending
        self._pending = now
        if door.pending > door.max_pending and now > SMALL:
            message = f"messages that are not complete are more than {door.max_pending} bytes"
            raise ProtocolError(message, "pending")

    # -- what it is told -----------------------------------------------------------------------

    async def _answer(self) -> None:
        """In order. Where something is not settled and will not be, nothing after it is
        acknowledged, and nothing to a client that does not listen."""
        listens = True
        while (waiting := await self._waiting.get()) is not None:
            taken, chunks = waiting
            listens = listens and await taken.settled()
            if listens and chunks:
                listens = await self._tell(b"".join(map(acknowledgement, chunks)))

    async def _tell(self, acknowledgements: bytes) -> bool:
        try:
            async with asyncio.timeout(STALLED):
                await self._connection.write(acknowledgements)
        except TimeoutError:
            why = f"{self._connection.peer}: it does not read what it is told"
            self._intake.refuse("unread", why)
            self._connection.abort()
            return False
        except OSError:
            return False
        return True


def _check_plain(beginning: bytes) -> None:
    if beginning.startswith(TLS_HELLO):
        raise ProtocolError("it speaks TLS; set tls here, or turn it off there", "handshake")
