"""Connections to a Redis server (or Valkey, KeyDB, Dragonfly, a managed one), alone or found by
asking Sentinels."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pipeline.model.component import Secret, TLSConfig
from pipeline.model.errors import Unavailable
from pipeline.transport.net.address import Address
from pipeline.transport.net.errors import printable
from pipeline.transport.net.stream import Closed, Stream
from pipeline.transport.redis.resp import Error, ProtocolError, Replies, Reply, command, pairs

_TROUBLE: Final = {
    "ASK": "moves this stream to another node of its cluster",
    "BUSY": "is busy with a script",
    "CLUSTERDOWN": "is a node of a cluster that is down",
    "DENIED": "takes connections from its own host only; set a password there",
    "LOADING": "is still loading its data",
    "MASTERDOWN": "is a replica that has lost its master",
    "MISCONF": "takes no writes, since it could not save to its disk",
    "MOVED": "is a node of a cluster, and another one has this stream; write that one's address",
    "NOAUTH": "wants a password; set user and password",
    "NOPERM": "does not let this user do that; it needs XADD on the streams' keys",
    "NOREPLICAS": "takes no writes, since it has too few replicas",
    "OOM": "has no memory left; raise its maxmemory, or trim streams with max_length or max_age",
    "READONLY": "is a replica, which takes no writes; write the master's address, or use sentinel",
    "WRONGPASS": "does not know this user and password",
}


def refusal(address: Address, error: Error) -> Unavailable:
    """The error to raise where a server has answered with `error`, and it is not for an entry's
    sake."""
    said = printable(error.text)
    return Unavailable(f"{address} {_TROUBLE.get(error.code, 'answers with an error')}: {said}")


@dataclass(frozen=True, slots=True)
class Login:
    """Who connects, and to which of a server's databases."""

    user: str | None = None
    password: Secret | None = None
    database: int = 0

    def commands(self) -> list[bytes]:
        """The commands that a connection begins with, AUTH and SELECT, where they are needed."""
        found = []
        if self.password is not None:
            who = [self.user.encode()] if self.user is not None else []
            found.append(command(b"AUTH", *who, str(self.password).encode()))
        if self.database:
            found.append(command(b"SELECT", b"%d" % self.database))
        return found


class RedisConnection:
    """A connection to one server, made as often as needed: `open` may be called again after any
    trouble. All methods raise `Unavailable`; none may overlap with another."""

    def __init__(
        self, address: Address, tls: TLSConfig | None, login: Login, *, timeout: float
    ) -> None:
        """`timeout` in seconds is for connecting, for the TLS handshake, and for the answers to
        what is asked at once."""
        self.address = address
        self._stream = Stream(address, tls, timeout=timeout, resend=False, reconnect=False)
        self._login = login
        self._timeout = timeout
        self._replies = Replies()
        self._server: dict[bytes, Reply] = {}

    async def open(self) -> None:
        """Connects, says who we are, and sees that the server is ready."""
        self._replies = Replies()
        await self._stream.open()
        greeting = [*self._login.commands(), command(b"PING")]
        try:
            replies = await self._asked(b"".join(greeting), len(greeting))
        except Unavailable as error:
            if not isinstance(error, Closed) and not isinstance(error.__cause__, ConnectionError):
                raise
            raise Unavailable(
                f"{self.address} closed the connection as soon as it was spoken to; "
                "check the port, and whether it expects TLS"
            ) from error
        for reply in replies:
            if isinstance(reply, Error):
                raise refusal(self.address, reply)
        (server,) = await self._asked(command(b"HELLO"), 1)
        self._server = pairs(server)  # Redis before 6 does not know it

    def fact(self, name: bytes) -> str:
        """What the server says of itself: `version`, `role`, `mode`; empty if nothing."""
        value = self._server.get(name)
        return printable(value.decode("utf-8", "replace")) if isinstance(value, bytes) else ""

    def reached(self) -> str:
        """The server that answered when it was opened: `redis://redis:6379 (10.0.0.7), redis 8.0.2,
        master`."""
        version = f"{self.fact(b'server')} {self.fact(b'version')}".strip()
        return ", ".join(
            part for part in (self._stream.reached(), version, self.fact(b"role")) if part
        )

    async def ask(self, commands: bytes, count: int) -> list[Reply]:
        """Sends `count` commands, and returns the answer to each. A connection that the server has
        closed meanwhile, as it does with idle ones, is made anew before."""
        try:
            said = self._stream.pending()
        except Closed:
            await self.open()
        else:
            if said:
                raise self._nonsense("answers what was not asked")
        return await self._asked(commands, count)

    async def _asked(self, commands: bytes, count: int) -> list[Reply]:
        replies: list[Reply] = []
        try:
            async with asyncio.timeout(self._timeout):
                await self._stream.send(commands)
                while len(replies) < count:
                    replies += self._replies.feed(await self._stream.receive())
        except ProtocolError as error:
            raise self._nonsense(str(error)) from error
        except TimeoutError as error:
            raise Unavailable(
                f"{self.address} does not answer within {self._timeout:g} s; "
                "check whether it is overloaded, or stopped"
            ) from error
        if len(replies) > count:
            raise self._nonsense("answers more than was asked")
        return replies

    async def close(self) -> None:
        """Never raises, and may be called at any time."""
        await self._stream.close()

    def _nonsense(self, what: str) -> Unavailable:
        return Unavailable(
            f"{self.address} does not speak as Redis does ({what}); "
            "check the port, and whether it expects TLS"
        )


async def master(
    sentinels: Sequence[Address], name: str, tls: TLSConfig | None, login: Login, *, timeout: float
) -> tuple[str, int]:
    """Host and port of a master, by the first Sentinel that knows it. Raises `Unavailable`."""
    problems = []
    for address in sentinels:
        sentinel = RedisConnection(address, tls, login, timeout=timeout)
        try:
            await sentinel.open()
            asked = command(b"SENTINEL", b"GET-MASTER-ADDR-BY-NAME", name.encode())
            (reply,) = await sentinel.ask(asked, 1)
        except Unavailable as error:
            problems.append(str(error))
            continue
        finally:
            await sentinel.close()
        match reply:
            case [bytes(host), bytes(port)] if port.isdigit():
                return host.decode("utf-8", "replace"), int(port)
            case Error():
                problems.append(str(refusal(address, reply)))
            case _:
                problems.append(f'{address} knows no master "{name}"; check sentinel.master')
    raise Unavailable("; ".join(problems))
