"""A GELF server, written from the GELF 1.1 payload specification. Strict: what it would not take
raises."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from dataclasses import dataclass, field
from typing import Any

_NAME = re.compile(r"_[A-Za-z0-9_.-]*")
_OWN = {"version", "host", "short_message", "full_message", "timestamp", "level"}


def message(data: bytes) -> dict[str, Any]:
    """One payload, whose members are as they have to be."""
    if data.startswith(b"\x1f\x8b"):
        data = gzip.decompress(data)
    elif data.startswith(b"\x78"):
        data = zlib.decompress(data)
    found = json.loads(data, object_pairs_hook=_without_repetition, parse_constant=_no_number)
    assert found["version"] == "1.1"
    assert type(found["host"]) is str and found["host"]
    assert type(found["short_message"]) is str and found["short_message"].strip()
    assert type(found["timestamp"]) in (int, float)
    assert type(found["level"]) is int and 0 <= found["level"] <= 7
    for name in found.keys() - _OWN:
        assert _NAME.fullmatch(name) and name != "_id", name
        assert type(found[name]) in (str, int, float), name
    return dict(found)


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    assert len(found) == len(pairs), "a member comes twice"
    return found


def _no_number(name: str) -> float:
    raise AssertionError(f"{name} is no JSON")


def stream(data: bytes) -> list[dict[str, Any]]:
    """What came over TCP."""
    *whole, rest = data.split(b"\0")
    assert rest == b"", "the last message has no end"
    return [message(one) for one in whole]


@dataclass
class Reassembly:
    """Takes datagrams in any order."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    largest: int = 0
    _parts: dict[bytes, dict[int, bytes]] = field(default_factory=dict)

    def datagram(self, data: bytes) -> None:
        self.largest = max(self.largest, len(data))
        if not data.startswith(b"\x1e\x0f"):
            self.messages.append(message(data))
            return
        identity, number, count = data[2:10], data[10], data[11]
        assert number < count <= 128
        parts = self._parts.setdefault(identity, {})
        assert number not in parts, "two messages have the same id"
        parts[number] = data[12:]
        if len(parts) == count:
            whole = b"".join(parts[one] for one in range(count))
            self.messages.append(message(whole))
            del self._parts[identity]

    @property
    def incomplete(self) -> int:
        return len(self._parts)
