"""A client of JetStream: requests to its API, and publishing with acknowledgements.

Every message and request carries a reply subject of its own below one inbox. What comes there is
counted off against what was sent, so many may be on their way at once.

The API: https://docs.nats.io/reference/reference-protocols/nats_api_reference
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any, Final, Generic, NoReturn, Protocol, TypeVar

import msgspec

from pipeline.model.errors import Unavailable
from pipeline.model.records import NOT_JSON
from pipeline.transport.nats.connection import NatsConnection
from pipeline.transport.nats.errors import NO_ACKNOWLEDGEMENT, NO_RESPONDERS, ApiProblem
from pipeline.transport.nats.runs import read_runs

if TYPE_CHECKING:
    from nats.aio.msg import Msg

MOST_BYTES: Final = 8 << 20
"""Bytes on their way at once, whatever the number of messages."""


class Outgoing(Protocol):
    """A message to be published."""

    subject: str
    body: bytes
    head: bytes
    """Its headers, as they are sent: from `NATS/1.0` to the empty line."""


Sent = TypeVar("Sent", bound=Outgoing)


class _Acknowledgement(msgspec.Struct):
    """`duplicate` may be in it as well: the stream has the message, from an earlier attempt."""

    stream: str = ""
    seq: int = 0
    error: ApiProblem | None = None


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
        self._flying: dict[bytes, _Flight[Any]] = {}
        """By the same, where a message belongs that was published."""
        self._asking: set[asyncio.Future[Msg | None]] = set()
        self._news = asyncio.Event()
        """An answer has come, or the connection is lost."""
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
        self, messages: Sequence[Sent], stored: Callable[[Sent], object], stream: str
    ) -> list[tuple[Sent, ApiProblem]]:
        """Publishes in order, and calls `stored` for each message that `stream` has. Returns when
        all are answered: those that were not stored, and why. After the first of them, no further
        message is published.

        Raises `Unavailable` where there is no answer; what was stored until then is known.
        """
        flight = _Flight(stored, stream)
        at = 0
        try:
            while at < len(messages) and not flight.problems:
                await self._until(lambda: flight.room(self._in_flight) > 0)
                if flight.problems:
                    break
                some = messages[at : at + flight.room(self._in_flight)]
                at += await self._publish(flight, some)
            await self._until(lambda: not flight.messages)
        finally:
            for token in flight.messages:
                self._flying.pop(token, None)
        return flight.problems

    async def _publish(self, flight: _Flight[Sent], messages: Sequence[Sent]) -> int:
        """Publishes messages with one write until `MOST_BYTES` are on their way; how many."""
        inbox, tokens = self._inbox.encode(), self._tokens
        written: list[bytes] = []
        for message in messages:
            if flight.size >= MOST_BYTES:
                break
            token, body, head = b"p%d" % next(tokens), message.body, message.head
            flight.messages[token] = message
            self._flying[token] = flight
            flight.size += len(body)
            what = message.subject.encode(), inbox, token, len(head), len(head) + len(body)
            written += b"HPUB %b %b%b %d %d\r\n" % what, head, body, b"\r\n"
        await self.nats.write(b"".join(written))
        return len(written) // 4

    async def _until(self, done: Callable[[], bool]) -> None:
        """Waits for answers. Raises `Unavailable` when there is none for too long."""
        while not done():
            _ = self.nats.client  # raises, where the connection is lost
            self._news.clear()
            try:
                async with asyncio.timeout(self._timeout):
                    await self._news.wait()
            except TimeoutError:
                message = f"{self.nats.address} has acknowledged nothing for {self._timeout:g} s"
                raise Unavailable(message) from None

    # ------------------------------------------------------------------------------- answers

    def _answered(self, message: Msg) -> None:
        token = message.subject[len(self._inbox) :]
        if (answered := self._waiting.pop(token, None)) is not None:
            answered(message)
        elif (flight := self._flying.pop(token.encode(), None)) is not None:
            flight.answered(token.encode(), message)
        else:
            return  # it comes late, or twice
        self._news.set()

    def _stored(self, stream: str, tokens: list[bytes]) -> None:
        """Of messages that were published, as of `_answered`."""
        flying = self._flying
        for token in tokens:
            if (flight := flying.pop(token, None)) is not None:
                flight.acknowledged(token, stream)
        self._news.set()

    def _in_trouble(self) -> None:
        self._news.set()
        self._lost.set()
        for future in self._asking:
            if not future.done():
                future.set_result(None)


class _Flight(Generic[Sent]):
    """What one call of `publish` has on its way."""

    __slots__ = ("_stored", "_stream", "messages", "problems", "size")

    def __init__(self, stored: Callable[[Sent], object], stream: str) -> None:
        self._stored = stored
        self._stream = stream
        self.messages: dict[bytes, Sent] = {}
        """By the last token of their reply subjects."""
        self.size = 0
        """Bytes of their bodies."""
        self.problems: list[tuple[Sent, ApiProblem]] = []

    def room(self, most: int) -> int:
        """How many more may be published, of `most` at once."""
        return most - len(self.messages) if self.size < MOST_BYTES else 0

    def acknowledged(self, token: bytes, stream: str) -> None:
        message = self._landed(token)
        if stream == self._stream:
            self._stored(message)
        else:
            self.problems.append((message, NO_ACKNOWLEDGEMENT))

    def answered(self, token: bytes, answer: Msg) -> None:
        message = self._landed(token)
        problem = _problem(answer, self._stream)
        if problem is None:
            self._stored(message)
        else:
            self.problems.append((message, problem))

    def _landed(self, token: bytes) -> Sent:
        message = self.messages.pop(token)
        self.size -= len(message.body)
        return message


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
