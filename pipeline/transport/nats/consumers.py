"""Durable consumers of a JetStream: made or checked, and read by pulling.

References: https://docs.nats.io/reference/reference-protocols/nats_api_reference and
https://docs.nats.io/nats-concepts/jetstream/consumers
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from itertools import count
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from pipeline.errors import Unavailable
from pipeline.records import NOT_JSON
from pipeline.transport.nats.connection import Nats
from pipeline.transport.nats.jetstream import problem, said

if TYPE_CHECKING:
    from nats.aio.msg import Msg
    from nats.aio.subscription import Subscription

EXPIRES: Final = 1.0
"""Seconds that a pull waits for messages. What is to end waits as long for the last of them."""
SILENCE: Final = 5.0
"""Seconds beyond that in which the server has to say that a pull is over."""
MISSING: Final = 2.0
"""Seconds for which a consumer may be said not to be there."""
_NOT_FOUND: Final = 10014
"""`err_code` of a consumer that is not there."""

ACK, NAK, PROGRESS, TERM = b"+ACK", b"-NAK", b"+WPI", b"+TERM"


class Delivered:
    """One message as a consumer has delivered it."""

    __slots__ = ("attempts", "body", "headers", "reply", "sequence", "subject", "time")

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


class Api:
    """Requests to JetStream. Many tasks may ask."""

    def __init__(self, nats: Nats, *, timeout: float, domain: str | None = None) -> None:
        self._nats = nats
        self._timeout = timeout
        self._prefix = f"$JS.{domain}.API." if domain else "$JS.API."
        self._inbox = ""
        self._tokens = count()
        self._waiting: dict[str, asyncio.Future[Msg]] = {}

    def subject(self, api: str) -> str:
        return self._prefix + api

    async def request(self, api: str, body: object = None) -> dict[str, Any]:
        """The answer; where that is an error, it is under `error`. Raises `Unavailable`."""
        payload = b"" if body is None else msgspec.json.encode(body)
        return await self.ask(self._prefix + api, payload)

    async def open(self) -> None:
        """After the connection was. Raises `Unavailable`."""
        self._waiting.clear()
        self._inbox = f"{self._nats.client.new_inbox()}."

        async def answered(message: Msg) -> None:
            future = self._waiting.pop(message.subject[len(self._inbox) :], None)
            if future is not None and not future.done():
                future.set_result(message)

        await subscribe(self._nats, f"{self._inbox}*", answered)

    async def ask(
        self, subject: str, payload: bytes, headers: dict[str, str] | None = None
    ) -> dict[str, Any]:
        """Likewise, of any subject that something of JetStream answers."""
        token = str(next(self._tokens))
        future = self._waiting[token] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(self._timeout):  # nats-py's own may swallow a cancellation
                await send(self._nats, subject, payload, self._inbox + token, headers)
                answer = await future
        except TimeoutError:
            message = f"{self._nats.address} does not answer {subject} within {self._timeout:g} s"
            raise self._nats.trouble or Unavailable(message) from None
        finally:
            self._waiting.pop(token, None)
        if not answer.data and (answer.headers or {}).get("Status") == "503":
            raise Unavailable(f"{self._nats.address} has no JetStream, or no stream, for {subject}")
        try:
            return msgspec.json.decode(answer.data, type=dict[str, Any])
        except NOT_JSON:
            message = f"{self._nats.address} answers {subject} with rubbish"
            raise Unavailable(message) from None


class Consumer(NamedTuple):
    """What the server says of one."""

    ack_wait: float
    """Seconds that it waits for an acknowledgement."""
    pending: int
    """Messages that somebody has, and has not acknowledged."""
    delivered: int
    """Place in the stream of the last one that was delivered for the first time."""
    made: bool
    """Just now: it was not there."""


async def ensure(
    api: Api, stream: str, name: str, subject: str, *, ack_wait: float, most: int
) -> Consumer:
    """Sees to it that there is a consumer of that name, which has to acknowledge each message; one
    that exists is not changed.

    Raises `Unavailable` where it is not there and cannot be made, or is of another kind."""
    answer = await api.request(f"CONSUMER.INFO.{stream}.{name}")
    error = problem(answer)
    missing = error.get("err_code") == _NOT_FOUND
    if missing:
        wanted = {
            "durable_name": name,
            "ack_policy": "explicit",
            "deliver_policy": "all",
            "replay_policy": "instant",
            "ack_wait": round(ack_wait * 10**9),
            "max_deliver": -1,
            "max_ack_pending": most,
            "filter_subject": subject,
        }
        request = {"stream_name": stream, "config": wanted}
        answer = await api.request(f"CONSUMER.DURABLE.CREATE.{stream}.{name}", request)
        error = problem(answer)
    if error:
        raise Unavailable(f"consumer {name} of stream {stream} cannot be had: {said(error)}")
    config = answer.get("config")
    if not isinstance(config, dict):
        raise Unavailable(f"consumer {name} of stream {stream} cannot be looked at")
    for key, value in (("ack_policy", "explicit"), ("filter_subject", subject)):
        if config.get(key, "") != value:
            raise Unavailable(
                f"consumer {name} of stream {stream} has {key} = {config.get(key, '')!r} and not "
                f"{value!r}; remove it, or set another durable"
            )
    if config.get("deliver_subject"):
        raise Unavailable(f"consumer {name} of stream {stream} is not one to pull from")
    waits = number(config, "ack_wait")
    return Consumer(
        waits / 10**9 if waits > 0 else ack_wait,
        number(answer, "num_ack_pending"),
        number(answer.get("delivered"), "stream_seq"),
        missing,
    )


async def remove(api: Api, stream: str, name: str) -> None:
    """Has no consumer of that name any more. Raises `Unavailable`."""
    error = problem(await api.request(f"CONSUMER.DELETE.{stream}.{name}"))
    if error and error.get("err_code") != _NOT_FOUND:
        raise Unavailable(f"consumer {name} of stream {stream} cannot be removed: {said(error)}")


def number(answer: object, key: str) -> int:
    """A whole number out of an answer; 0 where it says none."""
    value = answer.get(key) if isinstance(answer, dict) else None
    return value if type(value) is int else 0


class Puller:
    """Reads one consumer over one connection, one pull after another."""

    def __init__(
        self,
        nats: Nats,
        api: Api,
        stream: str,
        name: str,
        came: Callable[[Delivered], bool],
    ) -> None:
        """`came` is told of each message as soon as it is here; those for which it says so are
        given by `next`."""
        self.name = name
        self._nats = nats
        self._subject = api.subject(f"CONSUMER.MSG.NEXT.{stream}.{name}")
        self._came = came
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
        self._subscription: Subscription

    async def open(self) -> None:
        self._inbox = self._nats.client.new_inbox()

        async def receive(message: Msg) -> None:
            self._received(message)

        self._subscription = await subscribe(self._nats, self._inbox, receive)

    @property
    def is_over(self) -> bool:
        """No pull is under way: nothing more comes."""
        return not self._left or asyncio.get_running_loop().time() > self._until

    async def pull(self, messages: int, size: int) -> None:
        """Asks for so many messages, and about so many bytes."""
        self._left, self.too_large = messages, False
        self._until = asyncio.get_running_loop().time() + EXPIRES + SILENCE
        request = {"batch": messages, "expires": round(EXPIRES * 10**9)}
        if messages > 1:
            request["max_bytes"] = size
        await send(self._nats, self._subject, msgspec.json.encode(request), self._inbox)

    async def next(self) -> Delivered | None:
        """The next message; None when the pull has brought all that it will.

        Raises `Unavailable` where the consumer cannot be read any more."""
        while not self._waiting:
            if self._problem is not None:
                raise Unavailable(str(self._problem))
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

    async def close(self) -> None:
        """Hears nothing more. Raises `Unavailable`."""
        from nats.errors import Error

        try:
            await self._subscription.unsubscribe()
        except (Error, OSError) as error:
            raise Unavailable(f"{self._nats.address} cannot be written to: {error}") from error

    async def over(self) -> None:
        """Waits until no more comes."""
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
            if self._came(delivered):
                self._waiting.append(delivered)
        else:
            self._end(dict(message.headers or {}))
        self._news.set()

    def _end(self, headers: dict[str, str]) -> None:
        """The server says that a pull is over, and why."""
        status, why = headers.get("Status", ""), headers.get("Description", "")
        self._left = 0
        text = why.lower()
        if status == "503":  # which it also says of one that it is just making
            now = asyncio.get_running_loop().time()
            self._missing = self._missing or now
            if now - self._missing > MISSING:
                self._problem = Unavailable(f"consumer {self.name} does not exist any more")
            return
        self._missing = 0.0
        if status == "409" and "maxbytes" in text:
            self.too_large = True
        elif status == "409" and ("deleted" in text or "leadership" in text or "shutdown" in text):
            self._problem = Unavailable(f"consumer {self.name}: {why:.100}")
        elif status == "400":
            self._problem = Unavailable(f"consumer {self.name} refuses to be pulled: {why:.100}")


async def send(
    nats: Nats,
    subject: str,
    payload: bytes,
    reply: str = "",
    headers: dict[str, str] | None = None,
) -> None:
    """Publishes something. Raises `Unavailable`."""
    from nats.errors import Error

    try:
        await nats.client.publish(subject, payload, reply, headers)
    except (Error, OSError) as error:
        message = f"{nats.address} cannot be written to any more: {error}"
        raise nats.trouble or Unavailable(message) from error


async def subscribe(
    nats: Nats, subject: str, receive: Callable[[Msg], Awaitable[None]]
) -> Subscription:
    """Raises `Unavailable`."""
    from nats.errors import Error

    try:
        return await nats.client.subscribe(subject, cb=receive)
    except (Error, OSError) as error:
        message = f"{nats.address} cannot be written to any more: {error}"
        raise nats.trouble or Unavailable(message) from error
