"""Functions as a user may give them to the stage `python`."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Any

NOT_CALLABLE = 5


def length(fields: dict[str, Any], message: bytes) -> dict[str, Any]:
    fields["length"] = len(message)
    return fields


def only_errors(fields: dict[str, Any], message: bytes) -> dict[str, Any] | None:
    return fields if fields.get("level") == "error" else None


def quoting(fields: dict[str, Any], message: bytes) -> dict[str, Any]:
    raise ValueError(f"cannot hide {message!r}")


class Shop:
    @staticmethod
    def message(fields: dict[str, Any], message: bytes) -> dict[str, Any]:
        return {"text": message.decode()}


SAME: dict[str, Any] = {"a": [1]}


def same(fields: dict[str, Any], message: bytes) -> dict[str, Any]:
    return SAME


def hostile(fields: dict[str, Any], message: bytes) -> Any:
    """Changes all that it can reach, and then does what the message says."""
    for value in fields.values():
        if isinstance(value, dict):
            value["changed"] = True
    fields["changed"] = True
    return {
        b"raise": lambda: {}["no"],
        b"exit": lambda: sys.exit(3),
        b"list": lambda: [fields],
        b"object": lambda: {"a": object()},
        b"deep": _deep,
        b"odd": lambda: {"nan": float("nan"), "half": "\ud800"},
        b"rich": lambda: {1: datetime(2026, 1, 31, tzinfo=UTC), "b": {2}, "c": b"\xff"},
    }.get(message, lambda: fields)()


def _deep() -> dict[str, Any]:
    inner: dict[str, Any] = {}
    for _ in range(100_000):
        inner = {"a": inner}
    return inner
