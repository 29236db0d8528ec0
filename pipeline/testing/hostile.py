"""Batches with hostile content, which every encoder and sink must survive."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

from pipeline.model.batch import Batch
from pipeline.model.container import Container
from pipeline.testing.builders import batch

LINES: tuple[bytes, ...] = (
    b"", b"\0", b"\n\n", b"\r", b"\x7f", b'"\\', b"%s %d %%", b"\xff\xfe\xc3",
    b"\x1b[2J\x1b]0;x\7", "\ufeffé\u2028\U0001f600".encode(), b"x" * 200_000,
)  # fmt: skip
"""Lines that break formats: control characters, invalid UTF-8, format strings, and a very long
one."""

ODD = Container("a" * 64, "a\nb%s\x00\ud800é", "", {"a.b": "\udfff", "a_b": "%"}, host="h %d\n")
"""A container whose facts all contain something that breaks formats."""
BARE = Container("b" * 64, "", "sha256:" + "0" * 64)
"""A container of which nothing but the id is known."""


def hostile() -> list[Batch]:
    """Batches of hostile bytes, fields, names and flags, from all sources."""
    fields = _fields()
    return [
        batch(*LINES, of=ODD),
        batch(*LINES, of=BARE, streams="out err none out err none out err none out err"),
        batch(*LINES, fields=fields, flags={1: "truncated", 3: "truncated"}),
        batch(*LINES, of=ODD, fields=fields, bare=True),
        batch(*LINES, fields=fields, flags={0: "truncated"}).replace(
            sequences=[0] * len(LINES), parts=range(1, len(LINES) + 1)
        ),
        batch("start", of=BARE, streams="none", source="events", fields=[{"action": "start"}]),
        batch("", streams="none", source="stats", fields=[{"cpu": 0.5}], bare=True),
        batch(),
    ]


@cache
def _deep() -> list[Any]:
    """A list nested deeper than any recursion limit. Made once, since it takes a while."""
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    return deep


def _fields() -> list[dict[str, Any]]:
    """Fields for each of `LINES`."""
    odd: dict[Any, Any] = {
        1: 2, None: 3, "\ud800": "\ud800", b"\xff": [b"\xff", {b"k": b"v"}], False: (1,),
    }  # fmt: skip
    return [
        {}, {"level": []}, {"level": "ERROR", "host": 1}, {"message": "mine", "log.level": "warn"},
        odd, {"big": 10**999, "nan": math.nan}, {"deep": _deep()},
        {"fields": {"x": 1}, "ecs": None},
        {"log": {"level": "fatal"}}, {"": {"": []}}, {f"key{n}": n for n in range(10_000)},
    ]  # fmt: skip
