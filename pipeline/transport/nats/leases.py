"""Who of several processes has which of a number of shares, agreed over a stream of a JetStream.

Each share is a subject of a small stream that keeps one message of each, for as long as a lease is.
Who has a share has written that message, and writes it anew in time; the server takes what is
written only from one who knows what was there before, so that of two only one has it. A process
that dies is followed by another when its leases have run out.

So that as many have about as many, each process has a subject of its own besides: whoever has more
than his part lets go of the rest, and whoever has less takes what is free.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
from base64 import b64encode
from collections.abc import Collection

from pipeline.model.errors import Unavailable
from pipeline.transport.nats.errors import NO_ACKNOWLEDGEMENT, WRONG_LAST_SEQUENCE, problem_of
from pipeline.transport.nats.jetstream import JetStream
from pipeline.transport.nats.streams import create_stream, stream_info

log = logging.getLogger(__name__)


class Leases:
    """The shares of one process. Not for two tasks at once."""

    def __init__(self, name: str, owner: str, shares: int, length: float) -> None:
        """`name` is the same for all who share, and the stream is `name-leases`; `owner` is unlike
        all others. Shares are numbered from 0 to below `shares`. A lease lasts `length` seconds
        from when it was written."""
        self.length = length
        self.held: dict[int, int] = {}
        """Shares that are ours, and which message says so."""
        self.clean: set[int] = set()
        """Those of them that were given to us, and not left behind by somebody who died."""
        self.part = 0
        """How many we may have."""
        self.taken: set[int] = set()
        """Shares that others had when `claim` looked last."""
        self.others: list[str] = []
        """Owners of the processes beside us, sorted."""
        self._stream = f"{name}-leases"
        self._owner = owner
        self._shares = shares
        self._mine = 0
        self._renewed = -math.inf

    @property
    def lost(self) -> bool:
        """Whether so much time has passed since `renew` that others may have our shares."""
        return asyncio.get_running_loop().time() - self._renewed > 0.75 * self.length

    async def ensure(self, jetstream: JetStream, replicas: int) -> None:
        """Sees to it that the stream is there, with so many replicas where it is made. Raises
        `Unavailable`."""
        if await stream_info(jetstream, self._stream) is not None:
            return
        window = min(self.length, 120)
        wanted = {
            "name": self._stream,
            "subjects": [f"{self._stream}.*"],
            "max_msgs_per_subject": 1,
            "max_age": round(self.length * 10**9),
            "duplicate_window": round(window * 10**9),
            "storage": "file",
            "retention": "limits",
            "discard": "old",
            "num_replicas": replicas,
        }
        await create_stream(jetstream, wanted)

    async def renew(self, jetstream: JetStream) -> Collection[int]:
        """Writes all leases of ours anew, and that this process is there. The shares that are not
        ours any more.

        Raises `Unavailable`.
        """
        began = asyncio.get_running_loop().time()
        gone = list(self.held) if self.lost and self.held else []
        if not gone:
            gone = [share for share in self.held if not await self._write(jetstream, share)]
        for share in gone:
            self.held.pop(share, None)
        self._mine = await self._put(jetstream, f"owner-{self._owner}", None) or 0
        self._renewed = began
        return gone

    async def claim(self, jetstream: JetStream) -> Collection[int]:
        """Takes shares that nobody has, up to our part of all. The shares that are new to us.

        Raises `Unavailable`.
        """
        info = await stream_info(jetstream, self._stream, subjects=f"{self._stream}.*")
        if info is None:
            raise Unavailable(f"there is no stream {self._stream} any more")
        subjects = info.state.get("subjects")
        known = {str(one).rpartition(".")[2] for one in subjects or {}}
        mine = f"owner-{self._owner}"
        owners = sorted({one for one in known if one.startswith("owner-")} | {mine})
        self.others = [one.removeprefix("owner-") for one in owners if one != mine]
        each, rest = divmod(self._shares, len(owners))
        self.part = each + (owners.index(mine) < rest)
        free = [one for one in range(self._shares) if str(one) not in known]
        self.taken = set(range(self._shares)).difference(free, self.held)
        random.shuffle(free)
        new = []
        for share in free:
            if len(self.held) >= self.part:
                break
            if share in self.held:
                continue
            if not await self._write(jetstream, share):
                self.taken.add(share)
                continue
            new.append(share)
            self.clean.discard(share)
            if f"free-{share}" in known:
                self.clean.add(share)
        return new

    async def release(self, jetstream: JetStream, share: int) -> None:
        """Gives up a share, so that another process may have it at once. Raises `Unavailable`."""
        sequence = self.held.pop(share, None)
        if sequence is not None:
            await self._put(jetstream, f"free-{share}", None)
            await self._delete(jetstream, sequence)

    async def leave(self, jetstream: JetStream) -> None:
        """Gives up all shares, and says that this process is gone. Raises `Unavailable`."""
        for share in list(self.held):
            await self.release(jetstream, share)
        if self._mine:
            await self._delete(jetstream, self._mine)
            self._mine = 0

    async def _write(self, jetstream: JetStream, share: int) -> bool:
        """Whether it is ours now."""
        sequence = await self._put(jetstream, str(share), self.held.get(share, 0))
        if sequence is None:
            sequence = await self._ours(jetstream, share)
        if sequence is not None:
            self.held[share] = sequence
        return sequence is not None

    async def _ours(self, jetstream: JetStream, share: int) -> int | None:
        """The number of the message, where we have written it, and never had an answer."""
        body = {"last_by_subj": f"{self._stream}.{share}"}
        message = (await jetstream.request(f"STREAM.MSG.GET.{self._stream}", body)).get("message")
        if not isinstance(message, dict) or type(message.get("seq")) is not int:
            return None
        is_ours = message.get("data") == b64encode(self._owner.encode()).decode()
        return int(message["seq"]) if is_ours else None

    async def _put(self, jetstream: JetStream, key: str, before: int | None) -> int | None:
        """The number of the message that was written; None where another stands there than
        `before`, which is 0 for none, and None for any."""
        headers = {"Nats-Expected-Stream": self._stream}
        if before is not None:
            headers["Nats-Expected-Last-Subject-Sequence"] = str(before)
        subject = f"{self._stream}.{key}"
        answer = await jetstream.put(subject, self._owner.encode(), headers)
        problem, sequence = problem_of(answer), answer.get("seq")
        if problem is not None and problem.err_code == WRONG_LAST_SEQUENCE:
            return None
        if problem is not None or type(sequence) is not int:
            why = (problem or NO_ACKNOWLEDGEMENT).said
            raise Unavailable(f"stream {self._stream} takes nothing: {why}")
        return sequence

    async def _delete(self, jetstream: JetStream, sequence: int) -> None:
        """One that has run out is no error."""
        body = {"seq": sequence, "no_erase": True}
        await jetstream.request(f"STREAM.MSG.DELETE.{self._stream}", body)
