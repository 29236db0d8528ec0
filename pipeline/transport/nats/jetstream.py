"""JetStream over a connection to NATS: requests to its API, and publishing with acknowledgements.

Every message and request carries a reply subject of its own below one inbox. What comes there is
counted off against what was sent, so many may be on their way at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import msgspec

from pipeline.errors import Unavailable
from pipeline.records import NOT_JSON
from pipeline.transport.nats.connection import Nats, plain

if TYPE_CHECKING:
    from nats.aio.msg import Msg

MOST_BYTES: Final = 8 << 20
"""Bytes on their way at once, whatever the number of messages."""


class Message(Protocol):
    """What is published."""

    subject: str
    body: bytes
    headers: dict[str, str]


Sent = TypeVar("Sent", bound=Message)


def problem(answer: dict[str, Any]) -> dict[str, Any]:
    """The error in an answer; empty where there is none."""
    error = answer.get("error")
    return error if isinstance(error, dict) else {}


def said(error: dict[str, Any]) -> str:
    """What the server says of it."""
    return plain(error.get("description") or "the answer is rubbish")


class Problem(msgspec.Struct, frozen=True):
    """What the server has answered instead of an acknowledgement.

    The numbers are those of nats-server's `server/errors.json`.
    """

    code: int = 0
    """As in HTTP."""
    err_code: int = 0
    description: str = ""

    def __str__(self) -> str:
        return f"{plain(self.description)} ({self.err_code or self.code})"


NO_RESPONDERS: Final = Problem(503, 0, "no stream takes this subject, or JetStream is off")
RUBBISH: Final = Problem(500, 0, "the answer is no acknowledgement")


class _Acknowledgement(msgspec.Struct):
    """`duplicate` may be in it as well: the stream has the message, from an earlier attempt."""

    stream: str = ""
    seq: int = 0
    error: Problem | None = None


_acknowledgement: Final = msgspec.json.Decoder(_Acknowledgement).decode


class JetStream:
    """For one task at a time."""

    def __init__(
        self, nats: Nats, *, timeout: float, in_flight: int = 500, domain: str | None = None
    ) -> None:
        """`timeout` in seconds is for silence, while there is something that should be answered;
        `in_flight` messages are published before an acknowledgement is waited for."""
        self._nats = nats
        self._timeout = timeout
        self._in_flight = in_flight
        self._api = f"$JS.{domain}.API." if domain else "$JS.API."
        self._inbox = ""
        self._tokens = count()
        self._waiting: dict[str, Callable[[Msg], None]] = {}
        self._news = asyncio.Event()
        nats.on_trouble = self._news.set

    @property
    def max_payload(self) -> int:
        """Bytes that a message may have, its headers included. Raises `Unavailable`."""
        return self._nats.client.max_payload

    async def open(self) -> None:
        """Connects anew. Raises `Unavailable`."""
        self._waiting.clear()
        client = await self._nats.open()
        self._inbox = f"{client.new_inbox()}."
        answers: Any = _Answers(self._answered)
        await client.subscribe(f"{self._inbox}*", future=answers)

    async def close(self) -> None:
        """Never raises."""
        await self._nats.close()

    async def request(self, api: str, body: object = None) -> dict[str, Any]:
        """The answer to a request such as `STREAM.INFO.name`; where it is an error, that is under
        `error`. Raises `Unavailable`."""
        answers: list[Msg] = []
        try:
            payload = b"" if body is None else msgspec.json.encode(body)
            await self._publish(self._api + api, payload, None, answers.append)
            await self._until(lambda: bool(answers))
        finally:
            self._waiting.clear()
        if _no_responders(answers[0]):
            raise Unavailable(
                f"{self._nats.address} has no JetStream for us; check that it is enabled there, "
                "and for this account"
            )
        try:
            return msgspec.json.decode(answers[0].data, type=dict[str, Any])
        except NOT_JSON:
            message = f"{self._nats.address} answers a request to its JetStream with rubbish"
            raise Unavailable(message) from None

    async def publish(
        self, messages: Sequence[Sent], stored: Callable[[Sent], object], stream: str
    ) -> list[tuple[Sent, Problem]]:
        """Publishes in order, and calls `stored` for each message that `stream` has. Returns when
        all are answered: those that were not stored, and why. After the first of them, no further
        message is published.

        Raises `Unavailable` where there is no answer; what was stored until then is known.
        """
        problems: list[tuple[Sent, Problem]] = []
        flying = 0

        def answered(message: Sent, answer: Msg) -> None:
            nonlocal flying
            flying -= len(message.body)
            problem = _problem(answer, stream)
            if problem is None:
                stored(message)
            else:
                problems.append((message, problem))

        def room() -> bool:
            return len(self._waiting) < self._in_flight and flying < MOST_BYTES

        try:
            for message in messages:
                await self._until(room)
                if problems:
                    break
                flying += len(message.body)
                await self._publish(
                    message.subject,
                    message.body,
                    message.headers,
                    lambda answer, message=message: answered(message, answer),  # type: ignore[misc]
                )
            await self._until(lambda: not self._waiting)
        finally:
            self._waiting.clear()
        return problems

    # ------------------------------------------------------------------------------ answers

    async def _publish(
        self,
        subject: str,
        body: bytes,
        headers: dict[str, str] | None,
        answered: Callable[[Msg], None],
    ) -> None:
        client = self._nats.client
        token = str(next(self._tokens))
        self._waiting[token] = answered
        from nats.errors import Error

        try:
            await client.publish(subject, body, self._inbox + token, headers)
        except (Error, OSError) as error:
            message = f"{self._nats.address} cannot be written to any more: {error}"
            raise self._nats.trouble or Unavailable(message) from error

    def _answered(self, message: Msg) -> None:
        answered = self._waiting.pop(message.subject[len(self._inbox) :], None)
        if answered is not None:  # else it comes late, or twice
            answered(message)
            self._news.set()

    async def _until(self, done: Callable[[], bool]) -> None:
        """Waits for answers. Raises `Unavailable` when there is none for too long."""
        while not done():
            _ = self._nats.client  # raises, where the connection is lost
            self._news.clear()
            try:
                async with asyncio.timeout(self._timeout):
                    await self._news.wait()
            except TimeoutError:
                message = f"{self._nats.address} has acknowledged nothing for {self._timeout:g} s"
                raise Unavailable(message) from None


class _Answers:
    """What nats-py takes for the future of a subscription: called for each message at once, where
    a callback would cost a queue and a task switch."""

    def __init__(self, answered: Callable[[Msg], None]) -> None:
        self.set_result = answered

    def cancelled(self) -> bool:
        return False


def _no_responders(answer: Msg) -> bool:
    return not answer.data and (answer.headers or {}).get("Status") == "503"


def _problem(answer: Msg, stream: str) -> Problem | None:
    """Why a message is not stored; None where it is."""
    if _no_responders(answer):
        return NO_RESPONDERS
    try:
        acknowledgement = _acknowledgement(answer.data)
    except NOT_JSON:
        return RUBBISH
    if acknowledgement.error is not None:
        return acknowledgement.error
    if acknowledgement.stream != stream or acknowledgement.seq < 1:
        return RUBBISH
    return None
