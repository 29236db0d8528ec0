"""Messages of a consumer, read by pulling, and how each is acknowledged.

Reference: https://docs.nats.io/reference/reference-protocols/nats_api_reference
"""

from __future__ import annotations

import asyncio
import math
import re
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgspec

from pipeline.model.errors import Unavailable
from pipeline.transport.nats.consumers import GROUP
from pipeline.transport.nats.jetstream import JetStream

if TYPE_CHECKING:
    from nats.aio.msg import Msg
    from nats.aio.subscription import Subscription

EXPIRES: Final = 1.0
"""Seconds that a pull waits for messages, if nothing else is said. What is to end waits as long for
the last of them."""
SILENCE: Final = 5.0
"""Seconds beyond that in which the server has to say that a pull is over."""
MISSING: Final = 2.0
"""Seconds for which a consumer may be said not to be there."""

ACK, NAK, PROGRESS, TERM = b"+ACK", b"-NAK", b"+WPI", b"+TERM"
"""What is published to a message's `reply`: it is done, deliver it again, it is worked on, or it is
not to come again."""


class Delivered:
    """One message as a consumer has delivered it."""

    __slots__ = (
        "attempts", "behind", "body", "headers", "reply", "sequence", "subject", "time",
    )  # fmt: skip

    def __init__(self, message: Msg) -> None:
        """Raises `ValueError` where it does not come from a consumer."""
        tokens = message.reply.split(".")
        if len(tokens) < 9 or tokens[:2] != ["$JS", "ACK"]:
            raise ValueError(f"no reply subject of JetStream: {message.reply:.100}")
        if len(tokens) > 9:  # with the domain and the account between
            del tokens[2:4]
        self.subject = message.subject
        self.body = message.data
        self.headers: dict[str, str] = dict(message.headers or {})
        self.reply = message.reply
        """Where it is acknowledged; also later, and over another connection."""
        self.attempts = int(tokens[4])
        """How often it was delivered, this time included."""
        self.sequence = int(tokens[5])
        """Its place in the stream."""
        self.time = int(tokens[7])
        """When the stream got it, in nanoseconds."""
        self.behind = int(tokens[8])
        """Messages behind it that the consumer had not delivered yet."""


class Interrupted(Unavailable):
    """A consumer has another leader, is pinned to another reader, or is gone. The connection can
    be used, and another look at the consumer says what to do."""


class Puller:
    """Reads one consumer over one connection, one pull after another.

    Of a pinned consumer, the server gives messages to one of those that pull. Who gets the first is
    told a name, and has to say it in all later pulls: `pin`."""

    def __init__(
        self,
        jetstream: JetStream,
        stream: str,
        name: str,
        came: Callable[[Delivered], bool],
        *,
        pinned: bool = False,
    ) -> None:
        """`name` is that of a consumer which is there; `pinned` is whether it is. `came` is told of
        each message as soon as it is here; those for which it returns true are given by `next`."""
        self.name = name
        self._nats = jetstream.nats
        self._subject = jetstream.subject(f"CONSUMER.MSG.NEXT.{stream}.{name}")
        self._came = came
        self._pinned = pinned
        self.pin = ""
        """The name that the server has for us; empty until a message has come."""
        self.expires = EXPIRES
        """Seconds that the next pulls wait for messages."""
        self._inbox = ""
        """Where messages come in; empty until it is open."""
        self._pulled = -math.inf
        self._waiting: deque[Delivered] = deque()
        self._news = asyncio.Event()
        self._left = 0
        """Messages that the pull under way may still bring."""
        self._until = 0.0
        self._silent = 0
        self._missing = 0.0
        """Since when there is said to be no such consumer."""
        self.too_large = False
        """The last pull has ended since the next message is larger than it was to be."""
        self._problem: Unavailable | None = None
        self.pending: int | None = None
        """Messages that the consumer has not delivered yet, as the last message said."""
        self._subscription: Subscription

    async def open(self) -> None:
        """Hears what comes over the connection that is open now. Raises `Unavailable`."""
        self._inbox = self._nats.client.new_inbox()
        self._subscription = await self._nats.subscribe(self._inbox, self._received)

    async def pull(self, messages: int, size: int) -> None:
        """Asks for so many messages, and about `size` bytes; of one message, any size. To be called
        when `next` has given all of the pull before. Raises `Unavailable`."""
        self._left, self.too_large = messages, False
        self._until = asyncio.get_running_loop().time() + self.expires + SILENCE
        await self._ask(messages, self.expires, size if messages > 1 else 0, self._inbox)

    async def keep_pin(self, age: float) -> None:
        """Tells the server that we are there, if we are pinned and have not pulled for `age`
        seconds. Not before it is open. Raises `Unavailable`."""
        if self.pin and self._inbox and asyncio.get_running_loop().time() - self._pulled > age:
            # No message fits in a byte, so this brings nothing.
            await self._ask(1, EXPIRES, 1, f"{self._inbox}.nobody")

    async def _ask(self, messages: int, expires: float, size: int, inbox: str) -> None:
        self._pulled = asyncio.get_running_loop().time()
        request: dict[str, object] = {"batch": messages, "expires": round(expires * 10**9)}
        if size:
            request["max_bytes"] = size
        if self._pinned:
            request["group"] = GROUP
            if self.pin:
                request["id"] = self.pin
        await self._nats.publish(self._subject, msgspec.json.encode(request), inbox)

    async def next(self) -> Delivered | None:
        """The next message; None when the pull has brought all that it will.

        Raises `Interrupted` after the last one that came, if the consumer has to be looked at
        before it is read on, and `Unavailable` if it cannot be read any more."""
        while not self._waiting:
            if self._problem is not None:
                problem, self._problem = self._problem, None
                raise problem
            if not self._left:
                return None
            self._news.clear()
            try:
                async with asyncio.timeout_at(self._until):
                    await self._news.wait()
            except TimeoutError:
                self._left = 0
                self._silent += 1
                if self._silent > 2:
                    message = f"{self._nats.address} does not answer pulls of consumer {self.name}"
                    raise Unavailable(message) from None
                return None
        return self._waiting.popleft()

    def drop(self) -> None:
        """Forgets what has come and was not given by `next`."""
        self._waiting.clear()

    async def close(self) -> None:
        """Hears nothing more. Raises `Unavailable` where the connection is lost."""
        await self._nats.unsubscribe(self._subscription)

    async def over(self) -> None:
        """Waits until the pull under way has ended."""
        while self._left and self._problem is None:
            self._news.clear()
            try:
                async with asyncio.timeout_at(self._until):
                    await self._news.wait()
            except TimeoutError:
                return

    def _received(self, message: Msg) -> None:
        self._silent = 0
        if message.reply:
            self._missing = 0.0
            self._left = max(0, self._left - 1)
            try:
                delivered = Delivered(message)
            except ValueError:
                return  # nobody can acknowledge it
            self.pending = delivered.behind
            if self._pinned and not self.pin:
                pin = delivered.headers.get("Nats-Pin-Id", "")
                self.pin = pin if _PIN.fullmatch(pin) else ""
            if self._came(delivered):
                self._waiting.append(delivered)
        else:
            self._end(dict(message.headers or {}))
        self._news.set()

    def _end(self, headers: dict[str, str]) -> None:
        """The server says that a pull is over, and why. Messages of it may come after that: those
        of a cluster wait for the other servers."""
        status, why = headers.get("Status", ""), headers.get("Description", "")
        undelivered = headers.get("Nats-Pending-Messages", "")
        self._left -= int(undelivered) if undelivered.isdecimal() else self._left
        self._left = max(0, self._left)
        text = why.lower()
        if status == "503":  # which it also says of one that it is just making
            now = asyncio.get_running_loop().time()
            self._missing = self._missing or now
            if now - self._missing > MISSING:
                self._missing = 0.0
                self._problem = Interrupted(f"consumer {self.name} does not exist any more")
            return
        self._missing = 0.0
        if status == "409" and "maxbytes" in text:
            self.too_large = True
        elif status == "423":
            self.pin = ""
            self._problem = Interrupted(f"consumer {self.name} is not pinned to this hub any more")
        elif status == "409" and ("deleted" in text or "leadership" in text or "shutdown" in text):
            self.pin = ""
            self._problem = Interrupted(f"consumer {self.name}: {why:.100}")
        elif status == "400":
            self._problem = Unavailable(f"consumer {self.name} refuses to be pulled: {why:.100}")


_PIN: Final = re.compile(r"[0-9A-Za-z]{1,64}")
