"""A forward client, written from the protocol's specification."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import ssl
from typing import Any, Self

import msgpack


def event_time(seconds: int, nanoseconds: int = 0) -> msgpack.ExtType:
    return msgpack.ExtType(0, seconds.to_bytes(4, "big") + nanoseconds.to_bytes(4, "big"))


def pack(value: Any) -> bytes:
    return bytes(msgpack.packb(value, unicode_errors="surrogateescape"))


def sha512(*parts: bytes) -> str:
    return hashlib.sha512(b"".join(parts)).hexdigest()


class Client:
    """One connection, and what was answered on it."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        self.port = port
        self._tls = tls
        self._unpacker = msgpack.Unpacker(raw=False)
        self.answers: list[Any] = []
        self.ended = False
        self._count = 0

    async def connect(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection(
            "localhost" if self._tls else "127.0.0.1",
            self.port,
            ssl=self._tls,
            ssl_shutdown_timeout=0.1 if self._tls else None,
        )
        return self

    async def say(self, value: Any) -> None:
        await self.write(pack(value))

    async def write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def hear(self, patience: float = 60.0) -> Any:
        """The next answer; None at the end, `TimeoutError` where none comes."""
        async with asyncio.timeout(patience):
            while True:
                for answer in self._unpacker:
                    self.answers.append(answer)
                    return answer
                try:
                    data = await self._reader.read(65536)
                except ConnectionError:
                    data = b""
                if not data:
                    self.ended = True
                    return None
                self._unpacker.feed(data)

    async def ping(self, key: str, user: str = "", password: str = "") -> Any:
        """The PONG."""
        kind, options = await self.hear()
        assert kind == "HELO"
        nonce, auth, salt = options["nonce"], options["auth"], b"salt"
        digest = sha512(salt, b"client-1", nonce, key.encode())
        secret = sha512(auth, user.encode(), password.encode()) if auth else ""
        await self.say(["PING", "client-1", salt, digest, user, secret])
        pong = await self.hear()
        assert pong[0] == "PONG"
        if pong[1]:
            assert pong[4] == sha512(salt, pong[3].encode(), nonce, key.encode())
        return pong

    # -- for the kit ---------------------------------------------------------------------------

    async def send(self, *lines: bytes) -> None:
        """As PackedForward."""
        self._count += 1
        text = [line.decode("utf-8", "surrogateescape") for line in lines]
        entries = b"".join(pack([event_time(1), {"message": line}]) for line in text)
        await self.say(["kit", entries, {"chunk": f"chunk-{self._count}"}])

    async def send_rubbish(self, data: bytes) -> None:
        other = await type(self)(self.port, self._tls).connect()
        try:
            await other.write(data)
            await other.hear()
        except ConnectionError:
            pass
        finally:
            await other.close()

    async def answered(self) -> int:
        try:
            while not self.ended and await self.hear(0.05):
                pass
        except TimeoutError:
            pass
        for number, answer in enumerate(self.answers, 1):
            assert answer == {"ack": f"chunk-{number}"}
        return len(self.answers)

    async def close(self) -> None:
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()
