"""The connection of one client: handshake, entries, and acknowledgements when these are safe."""

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
"""Seconds that a client may take for the handshake with the shared key."""
LONGEST_PING = 4096
"""Most bytes of a PING: two names and three digests take a few hundred."""
STALLED = 60.0
"""Seconds to wait for the rest of a message, and for a client to read its acknowledgements."""
TLS_HELLO = b"\x16\x03"
"""The first bytes of a TLS client, and of no client of this protocol."""
TOGETHER = 256
"""Entries that are handled before the event loop may run other tasks: a message of 64 KiB may have
twenty thousand, which took 200 ms."""
MOST_WAITING = 1000
"""Unacknowledged messages at which no more is read from a client."""


@dataclass(slots=True)
class _Handing:
    """Columns that are being given to the intake, container by container."""

    columns: deque[ForwardColumns]
    chunks: list[str]
    """Chunk ids to acknowledge when all of the columns are settled."""
    size: int
    """Bytes of memory of the columns."""
    untold: Taken | None = None
    """A part that was taken, and waits for room in the queue of acknowledgements."""


@dataclass
class Door:
    """What all clients of a source share: the server's side of the handshake, and limits."""

    server: Server | None
    """The server's side of the handshake; None without a shared key."""
    host: str
    """Name of this host."""
    partials: Partials
    """Incomplete lines of Docker's driver."""
    idle: float
    """Seconds without data after which a client is refused."""
    max_message: int
    """Most bytes of a message."""
    max_unpacked: int
    """Most bytes of memory of the entries of a message."""
    max_pending: int
    """Most bytes of incomplete messages, of all clients together."""
    pending: int = 0
    """Bytes of incomplete messages, of all clients together."""


class Session:
    """Serves one connection: takes its messages and acknowledges chunks."""

    def __init__(self, connection: AcceptedConnection, door: Door, intake: Intake) -> None:
        """Entries are given to `intake`, which also counts what is refused."""
        self._connection = connection
        self._door = door
        self._intake = intake
        self._framer: Framer
        """Made after the handshake, since it takes 100 kB."""
        self._rows = Rows(peer_name(connection.peer, door.host), door.partials, door.max_unpacked)
        self._pending = 0
        self._handing: _Handing | None = None
        self._waiting: asyncio.Queue[tuple[Taken, list[str]] | None] = asyncio.Queue(MOST_WAITING)
        """What was taken, with the chunk ids to acknowledge when it is settled; None at the end."""

    async def run(self) -> None:
        """Serves the connection until its end, and then until everything taken is settled.

        The end is when the client closes the connection, when the source stops, or when the client
        violates the protocol, which is counted as refused.
        """
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
            pass  # what the client has sent before is still taken

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
            raise ProtocolError(f"its login is refused: {why}", "handshake")
        self._rows = Rows(name_of(ping[1]), self._door.partials, self._door.max_unpacked)
        return True

    async def _ping(self) -> bytes:
        """The bytes of the client's PING; empty if it closes the connection without one.

        A `Framer` would take ten times the memory.
        """
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

    # -- taking entries --------------------------------------------------------------------------

    async def _take(self, data: bytes) -> None:
        """Takes data in pieces: every byte may be an object, which takes 0.3 µs to skip."""
        pause = Pause()
        for start in range(0, len(data), SMALL):
            await self._take_piece(data[start : start + SMALL] if len(data) > SMALL else data)
            await pause()

    async def _take_piece(self, data: bytes) -> None:
        broken: ProtocolError | None = None
        try:
            whole, ends = self._framer.feed(data)
        except ProtocolError as error:  # the complete objects before the error are still taken
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
            broken = None  # breaks the reference cycle of exception and frame, which has the data

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
                    except ProtocolError:  # drop the part of the message that was added
                        self._rows.take()
                        chunks = []
                        raise
                    chunks += [message.chunk] if message.chunk else []
        except ProtocolError:
            await self._hand_in(chunks)  # the messages before the error
            raise
        await self._hand_in(chunks)

    async def _take_packed(self, message: ForwardMessage) -> None:
        """Takes all entries of a message, or none."""
        pause = Pause()
        try:
            for some, size in entries(message, self._door.max_unpacked):
                await self._add(message, some, size, pause)
        except BaseException:
            self._rows.take()
            raise
        await self._hand_in([message.chunk] if message.chunk else [])

    async def _add(self, message: ForwardMessage, some: list[Any], size: int, pause: Pause) -> None:
        """Adds entries to the rows, a few at a time."""
        for start in range(0, len(some), TOGETHER):
            part = some[start : start + TOGETHER] if len(some) > TOGETHER else some
            self._rows.add(message.tag, message.option, part, size if not start else 0)
            await pause()

    async def _hand_in(self, chunks: list[str]) -> None:
        """Gives the collected columns to the intake; acknowledges `chunks` when all are settled.

        One container at a time: a message may have thousands, and each new one is bound to its
        routes.
        """
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
        """The source stops: gives the rest of a message to the intake at once.

        So the client need not send a message again that is delivered in part.
        """
        it, self._handing = self._handing, None
        if it is None:
            return
        taken = self._intake.take([self._batch(one) for one in it.columns], it.size)
        with suppress(asyncio.QueueFull):  # then the client sends it again
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
            self._intake.refuse("malformed_entry", f"{peer}: an entry is malformed", rows.malformed)
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
            message = f"incomplete messages have more than {door.max_pending} bytes"
            raise ProtocolError(message, "pending")

    # -- acknowledging ---------------------------------------------------------------------------

    async def _answer(self) -> None:
        """Acknowledges chunks in order, as they are settled.

        Stops acknowledging after the first chunk that will never be settled, and if the client does
        not read.
        """
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
            why = f"{self._connection.peer}: it does not read its acknowledgements"
            self._intake.refuse("unread", why)
            self._connection.abort()
            return False
        except OSError:
            return False
        return True


def _check_plain(beginning: bytes) -> None:
    if beginning.startswith(TLS_HELLO):
        raise ProtocolError("it speaks TLS; set tls here, or turn it off there", "handshake")
