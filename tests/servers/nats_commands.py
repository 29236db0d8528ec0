"""What is published to NATS, read as a server reads it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from pipeline.transport.nats.outgoing import Outgoing


class Command(NamedTuple):
    """A message that is published."""

    subject: str
    reply: str
    headers: dict[str, str]
    body: bytes


def sent(messages: Iterable[Outgoing], reply: bytes = b"in.p", token: int = 0) -> list[Command]:
    """All of the messages, as they are published."""
    found: list[Command] = []
    for some in messages:
        found += read(some.commands(0, len(some), reply, token + len(found)))
    return found


def read(data: bytes) -> list[Command]:
    """HPUB commands, one behind the other, and nothing else."""
    found = []
    while data:
        line, _, data = data.partition(b"\r\n")
        name, subject, reply, head, size = line.split(b" ")
        whole, end, data = data[: int(size)], data[int(size) : int(size) + 2], data[int(size) + 2 :]
        assert (name, end, len(whole)) == (b"HPUB", b"\r\n", int(size))
        lines = whole[: int(head)].decode().split("\r\n")
        assert lines[0] == "NATS/1.0" and lines[-2:] == ["", ""]
        headers = dict([each.split(": ", 1) for each in lines[1:-2]])
        found.append(Command(subject.decode(), reply.decode(), headers, whole[int(head) :]))
    return found
