"""A client of JetStream: requests to its API, and publishing with acknowledgements.

Every message and request carries a reply subject of its own below one inbox. What comes there is
counted off against what was sent, so many may be on their way at once.

The API: https://docs.nats.io/reference/reference-protocols/nats_api_reference
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

import msgspec

from pipeline.model.errors import Unavailable
from pipeline.model.records import NOT_JSON
from pipeline.transport.nats.connection import NatsConnection
from pipeline.transport.nats.errors import NO_ACKNOWLEDGEMENT, NO_RESPONDERS, ApiProblem
from pipeline.transport.nats.flying import Flight, Flying
from pipeline.transport.nats.outgoing import Outgoing
from pipeline.transport.nats.runs import Run, read_runs

if TYPE_CHECKING:
    from nats.aio.msg import Msg

MOST_BYTES: Final = 8 << 20
"""Bytes on their way at once, whatever the number of messages."""


Sent = TypeVar("Sent", bound=Outgoing)
Span = tuple[Sent, int, int]
"""Messages from the first index up to the second."""


class _Acknowledgement(msgspec.Struct):
    """`duplicate` may be in it as well: the stream has the message, from an earlier attempt."""

    stream: str = ""
    seq: int = 0
    error: ApiProblem | None = None


_PUBLISHED: Final = re.compile("p(?:0|[1-9][0-9]{0,17})").fullmatch
_acknowledgement: Final = msgspec.json.Decoder(_Acknowledgement).decode


class JetStream:
    """One connection and what was asked over it. Many tasks may use it at once."""

    def __init__(
        self,
        nats: NatsConnection,
        *,
        timeout: float,
        in_flight: int = 500,
        domain: str | None = None,
    ) -> None:
        """`timeout` in seconds is for the answer to a request, and for silence while messages are
        published; `in_flight` messages are published before an acknowledgement is waited for.
        `domain` is that of a JetStream beyond a leaf node."""
        self.nats = nats
        self._timeout = timeout
        self._in_flight = in_flight
        self._prefix = f"$JS.{domain}.API." if domain else "$JS.API."
        self._inbox = ""
        self._tokens = count()
        self._waiting: dict[str, Callable[[Msg], None]] = {}
        """By the last token of a reply subject, what the answer to a request is given to."""
        self._flying = Flying()
        """Messages that were published."""
        self._asking: set[asyncio.Future[Msg | None]] = set()
        self._told_at = 0.0
        """When answers came last, or the connection was lost; as the event loop's clock has it."""
        self._waiters: list[_Waiting] = []
        self._lost = asyncio.Event()
        nats.on_trouble = self._in_trouble

    @property
    def max_payload(self) -> int:
        """Bytes that a message may have, its headers included. Raises `Unavailable`."""
        return self.nats.client.max_payload

    async def open(self) -> None:
        """Connects anew; answers over the connection before are not waited for any more. Raises
        `Unavailable`."""
        self._in_trouble()
        self._waiting.clear()
        self._flying.clear()
        self._lost.clear()
        client = await self.nats.open()
        self._inbox = f"{client.new_inbox()}."
        answers = await self.nats.subscribe(f"{self._inbox}*", self._answered)
        read_runs(client, self._inbox, answers._id, self._stored)

    async def close(self) -> None:
        """Ends the connection, at once. Never raises."""
        await self.nats.close()

    async def until_lost(self) -> NoReturn:
        """Waits until the connection is lost, or the server does not permit something. Raises
        `Unavailable` then."""
        await self._lost.wait()
        _ = self.nats.client  # raises what is wrong
        raise Unavailable(f"{self.nats.address} cannot be used any more")

    # ------------------------------------------------------------------------------ requests

    def subject(self, api: str) -> str:
        """The subject of a request such as `STREAM.INFO.name`."""
        return self._prefix + api

    async def request(self, api: str, body: object = None) -> dict[str, Any]:
        """The answer to a request such as `STREAM.INFO.name`; `body` becomes JSON, None is none.
        Where the answer is an error, that is under `error` (see `errors.problem_of`).

        Raises `Unavailable` where there is no answer.
        """
        payload = b"" if body is None else msgspec.json.encode(body)
        subject = self._prefix + api
        nats = self.nats
        future: asyncio.Future[Msg | None] = asyncio.get_running_loop().create_future()

        def answered(answer: Msg) -> None:
            if not future.done():
                future.set_result(answer)

        self._asking.add(future)
        token = str(next(self._tokens))
        self._waiting[token] = answered
        try:
            async with asyncio.timeout(self._timeout):
                await nats.publish(subject, payload, self._inbox + token)
                answer = await future
        except TimeoutError:
            message = f"{nats.address} does not answer {subject} within {self._timeout:g} s"
            raise nats.trouble or Unavailable(message) from None
        finally:
            self._asking.discard(future)
            self._waiting.pop(token, None)
        if answer is None:
            _ = nats.client  # raises, as the connection is lost
            raise Unavailable(f"{nats.address} cannot be used any more")
        if _nobody_has_it(answer):
            message = (
                "has no JetStream for us; check that it is enabled there, and for this account"
            )
            raise Unavailable(f"{nats.address} {message}")
        try:
            return msgspec.json.decode(answer.data, type=dict[str, Any])
        except NOT_JSON:
            raise Unavailable(f"{nats.address} answers {subject} with rubbish") from None

    # ---------------------------------------------------------------------------- publishing

    async def publish(
        self, spans: Sequence[Span[Sent]], stored: Callable[[Sent, int, int], object], stream: str
    ) -> list[tuple[Sent, int, ApiProblem]]:
        """Publishes in order, and calls `stored` for the messages that `stream` has, from the
        second argument up to but not including the third. Returns when all are answered: those that
        were not stored, and why. After the first of them, no further message is published.

        Raises `Unavailable` where there is no answer; what was stored until then is known.
        """
        flight = Flight(stored, stream)
        todo = list(reversed(spans))
        try:
            while todo and not flight.problems:
                await self._until(lambda: self._has_room(flight, todo))
                if not flight.problems:
                    await self._publish(flight, todo)
            await self._until(lambda: not flight.count)
        finally:
            self._flying.forget(flight)
        return flight.problems

    def _has_room(self, flight: Flight[Sent], todo: Sequence[Span[Sent]]) -> bool:
        """Whether a write is worth its while: half of what may be on its way has come back."""
        if not flight.count or flight.problems:
            return True
        if 2 * flight.size > MOST_BYTES:
            return False
        some = max(1, self._in_flight // 2)
        room = self._in_flight - flight.count
        return room >= some or (room > 0 and room >= sum(stop - at for _, at, stop in todo))

    async def _publish(self, flight: Flight[Sent], todo: list[Span[Sent]]) -> None:
        """Publishes with one write what may be on its way at once; the last of `todo` are the
        next."""
        reply = self._inbox.encode() + b"p"
        written: list[bytes] = []
        while todo and flight.count < self._in_flight and flight.size < MOST_BYTES:
            messages, start, stop = todo.pop()
            end = min(stop, start + self._in_flight - flight.count)
            end = messages.reach(start, end, MOST_BYTES - flight.size)
            if end < stop:
                todo.append((messages, end, stop))
            token = self._flying.add(flight, messages, start, end)
            written.append(messages.commands(start, end, reply, token))
        await self.nats.write(b"".join(written))

    async def _until(self, done: Callable[[], bool]) -> None:
        """Waits for answers. Raises `Unavailable` when there is none for too long."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while not done():
            _ = self.nats.client  # raises, where the connection is lost
            waiting = _Waiting(done, loop.create_future())
            self._waiters.append(waiting)
            silent = max(began, self._told_at) + self._timeout
            try:
                async with asyncio.timeout_at(silent):
                    await waiting.future
            except TimeoutError:
                if self._told_at + self._timeout > silent:
                    continue
                message = f"{self.nats.address} has acknowledged nothing for {self._timeout:g} s"
                raise Unavailable(message) from None
            finally:
                self._waiters.remove(waiting)

    # ------------------------------------------------------------------------------- answers

    def _answered(self, message: Msg) -> None:
        token = message.subject[len(self._inbox) :]
        if (answered := self._waiting.pop(token, None)) is not None:
            answered(message)
        elif not _PUBLISHED(token) or not self._flying.answered(
            int(token[1:]), lambda stream: _problem(message, stream)
        ):
            return  # it comes late, or twice
        self._told()

    def _stored(self, runs: Sequence[Run]) -> None:
        """Of messages that were published, as of `_answered`."""
        self._flying.acknowledged(runs)
        self._told()

    def _told(self) -> None:
        """Wakes those who have what they wait for; not one more, since answers come often."""
        self._told_at = asyncio.get_running_loop().time()
        lost = self._lost.is_set()
        for waiting in self._waiters:
            if (lost or waiting.done()) and not waiting.future.done():
                waiting.future.set_result(None)

    def _in_trouble(self) -> None:
        self._lost.set()
        self._told()
        for future in self._asking:
            if not future.done():
                future.set_result(None)


class _Waiting:
    """Somebody who waits for answers."""

    __slots__ = ("done", "future")

    def __init__(self, done: Callable[[], bool], future: asyncio.Future[None]) -> None:
        self.done = done
        self.future = future


def _nobody_has_it(answer: Msg) -> bool:
    """Whether the server says that nobody is subscribed to what was asked."""
    return not answer.data and (answer.headers or {}).get("Status") == "503"


def _problem(answer: Msg, stream: str) -> ApiProblem | None:
    """Why a message is not stored; None where it is."""
    if _nobody_has_it(answer):
        return NO_RESPONDERS
    try:
        acknowledgement = _acknowledgement(answer.data)
    except NOT_JSON:
        return NO_ACKNOWLEDGEMENT
    if acknowledgement.error is not None:
        return acknowledgement.error
    if acknowledgement.stream != stream or acknowledgement.seq < 1:
        return NO_ACKNOWLEDGEMENT
    return None
