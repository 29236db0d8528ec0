"""A Kafka broker for what the mock cluster does not do: TLS, SASL, sequence numbers, bad answers.

Written from https://kafka.apache.org/protocol: ApiVersions 0, SaslHandshake 1, SaslAuthenticate 0,
Metadata 1, InitProducerId 0, Produce 3. Each topic has one partition.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from aiokafka.record.memory_records import MemoryRecords

VERSIONS = {0: (3, 3), 3: (1, 1), 17: (1, 1), 18: (0, 0), 22: (0, 0), 36: (0, 0)}
OUT_OF_ORDER, NO_SASL, DENIED = 45, 33, 58
_ITERATIONS = 4096


class Fields:
    """What is read from a request, one field after the other."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def number(self, form: str) -> int:
        (value,) = struct.unpack_from(f">{form}", self._data, self._at)
        self._at += struct.calcsize(f">{form}")
        return int(value)

    def _some(self, size: int) -> bytes:
        self._at += max(size, 0)
        return self._data[self._at - max(size, 0) : self._at]

    def text(self) -> str:
        return self._some(self.number("h")).decode()

    def data(self) -> bytes:
        return self._some(self.number("i"))


def text(value: str) -> bytes:
    return struct.pack(">h", len(value)) + value.encode()


def several(items: Sequence[bytes]) -> bytes:
    return struct.pack(">i", len(items)) + b"".join(items)


@dataclass
class Broker:
    """`answers` says what becomes of each request to produce, in turn; afterwards it is as it
    should be. A number is the error that it is answered with, and nothing is stored."""

    users: dict[str, str] = field(default_factory=dict)
    """Passwords; without any, nobody is asked for one."""
    mechanisms: Sequence[str] = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
    answers: list[int | str] = field(default_factory=list)
    """Or: `lost` stores it and closes the connection, `closed` only closes it, `silent` does
    nothing, `half`, `rubbish`, `twice` and `other` (for another request) store it and answer so."""
    too_large: int = 2**30
    """Bytes of a batch that are answered with error 10."""
    values: list[bytes] = field(default_factory=list)
    """What is stored."""
    requests: int = 0
    """To produce."""
    producers: int = 0
    port: int = 0
    _next: dict[int, int] = field(default_factory=dict)
    _last: dict[int, tuple[int, int]] = field(default_factory=dict)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.port = writer.get_extra_info("sockname")[1]
        known = not self.users
        login = self._login("", "")
        with suppress(asyncio.IncompleteReadError):
            while True:
                (size,) = struct.unpack(">i", await reader.readexactly(4))
                request = Fields(await reader.readexactly(size))
                key, _, number = request.number("h"), request.number("h"), request.number("i")
                request.text()
                if key == 18:
                    versions = [struct.pack(">hhh", api, *both) for api, both in VERSIONS.items()]
                    answer = b"\0\0" + several(versions)
                elif key == 17:
                    mechanism = request.text()
                    login = self._login(mechanism, "")
                    error = 0 if mechanism in self.mechanisms else NO_SASL
                    answer = struct.pack(">h", error) + several(list(map(text, self.mechanisms)))
                elif key == 36:
                    try:
                        said, known = login(request.data())
                        answer = struct.pack(">hh", 0, -1) + struct.pack(">i", len(said)) + said
                    except (KeyError, ValueError):
                        answer = struct.pack(">h", DENIED) + text("no") + struct.pack(">i", 0)
                elif not known:
                    return
                else:
                    answer = await self._answer(key, request)
                if answer is not None and not await self._send(writer, number, answer):
                    return

    async def _send(self, writer: asyncio.StreamWriter, number: int, answer: bytes | str) -> bool:
        """False when the connection is to be closed."""
        if isinstance(answer, str):
            if answer == "rubbish":
                writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                await writer.drain()
            return answer == "rubbish"
        how, body = b"", answer
        if body[:1] == b"!":
            how, body = body[1:6], body[6:]
        frame = struct.pack(">ii", len(body) + 4, number + (how == b"other")) + body
        writer.write(frame[: len(frame) // 2] if how == b"half." else frame)
        if how == b"twice":
            writer.write(frame)
        await writer.drain()
        return True

    async def _answer(self, key: int, request: Fields) -> bytes | str | None:
        if key == 3:
            topics = [request.text() for _ in range(request.number("i"))]
            broker = struct.pack(">i", 1) + text("localhost") + struct.pack(">ih", self.port, -1)
            partition = struct.pack(">hii", 0, 0, 1) + several([b"\0\0\0\1"]) * 2
            told = [b"\0\0" + text(topic) + b"\0" + several([partition]) for topic in topics]
            return several([broker]) + struct.pack(">i", 1) + several(told)
        if key == 22:
            self.producers += 1
            return struct.pack(">ihqh", 0, 0, self.producers, 0)
        return self._produce(request)

    def _produce(self, request: Fields) -> bytes | str | None:
        self.requests += 1
        request.text(), request.number("h"), request.number("i")
        how = self.answers.pop(0) if self.answers else ""
        if how == "silent":
            return None
        if how == "closed":
            return "closed"
        topics = []
        for _ in range(request.number("i")):
            topic, partitions = request.text(), []
            for _ in range(request.number("i")):
                number, data = request.number("i"), request.data()
                code = how if isinstance(how, int) else self._store(data)
                partitions.append(struct.pack(">ihqq", number, code, 0, -1))
            topics.append(text(topic) + several(partitions))
        if how in ("lost", "rubbish"):
            return str(how)
        marked = {"half": b"!half.", "twice": b"!twice", "other": b"!other"}.get(str(how), b"")
        return marked + several(topics) + struct.pack(">i", 0)

    def _store(self, data: bytes) -> int:
        """What a broker answers: once for each batch of a producer, and only in order."""
        producer, _, first, count = struct.unpack_from(">qhii", data, 43)
        if len(data) > self.too_large:
            return 10
        if self._last.get(producer) == (first, count):
            return 0
        if first != self._next.get(producer, 0):
            return OUT_OF_ORDER
        self._next[producer], self._last[producer] = first + count, (first, count)
        records = MemoryRecords(data)
        while (batch := records.next_batch()) is not None:
            self.values += [record.value for record in batch]
        return 0

    def _login(self, mechanism: str, salt: str) -> Callable[[bytes], tuple[bytes, bool]]:
        """Takes what the client says; gives what is answered, and whether it is known then."""
        if not mechanism.startswith("SCRAM"):
            return self._plain
        return Scram(self.users, mechanism.removeprefix("SCRAM-").replace("-", "").lower())

    def _plain(self, said: bytes) -> tuple[bytes, bool]:
        _, user, password = said.decode().split("\0")
        if self.users[user] != password:
            raise ValueError
        return b"", True


class Scram:
    """The server's side of RFC 5802."""

    def __init__(self, users: dict[str, str], digest: str) -> None:
        self._users = users
        self._digest = digest
        self._first = ""

    def __call__(self, said: bytes) -> tuple[bytes, bool]:
        fields = dict(part.split("=", 1) for part in said.decode().split(",") if "=" in part)
        if not self._first:
            self._bare = said.decode().removeprefix("n,,")
            self._user = fields["n"]
            salt = base64.b64encode(b"salt").decode()
            self._first = f"r={fields['r']}more,s={salt},i={_ITERATIONS}"
            return self._first.encode(), False
        password = self._users[self._user].encode()
        salted = hashlib.pbkdf2_hmac(self._digest, password, b"salt", _ITERATIONS)
        key = self._hmac(salted, b"Client Key")
        without = said.decode().rpartition(",p=")[0]
        message = f"{self._bare},{self._first},{without}".encode()
        stored = hashlib.new(self._digest, key).digest()
        proof = bytes(a ^ b for a, b in zip(key, self._hmac(stored, message), strict=True))
        if base64.b64decode(fields["p"]) != proof:
            raise ValueError
        server = self._hmac(self._hmac(salted, b"Server Key"), message)
        return b"v=" + base64.b64encode(server), True

    def _hmac(self, key: bytes, message: bytes) -> bytes:
        return hmac.new(key, message, self._digest).digest()
