"""How heavy MessagePack is, before there is any of it."""

from __future__ import annotations

import sys
from typing import Any

import msgpack  # type: ignore[import-untyped]
import pytest

from pipeline.intake.weight import LONGEST, SMALL, weight, whole

MOST = 64 << 20


@pytest.mark.parametrize(
    "value",
    [[[]], [{}], [{1: None}], ["bb"], [1 << 40], [1.5], [b"xx"], {"a": ["b", {"c": 1}]}],
    ids=repr,
)
def test_nothing_is_much_heavier_than_it_is_said_to_be(value: Any) -> None:
    many = [value] * 1000
    found = weight(msgpack.packb(many), MOST)
    assert 0.5 * 1000 * _size(value) < found < 10 * 1000 * _size(value)


def _size(value: Any) -> int:
    inner: Any = ()
    if isinstance(value, list):
        inner = value
    elif isinstance(value, dict):
        inner = [*value.keys(), *value.values()]
    return sys.getsizeof(value) + sum(map(_size, inner))


def test_plain_text_weighs_what_it_is_long() -> None:
    data = msgpack.packb([b"a line of text that is as long as many are" * 3] * 1000)
    assert weight(data, MOST) == len(data)


@pytest.mark.parametrize("length", [SMALL // 2, SMALL])
def test_what_would_be_too_heavy_is_found_out(length: int) -> None:
    with pytest.raises(ValueError, match="more than 1 MiB"):
        weight(b"\xdd" + (length).to_bytes(4, "big") + b"\x80" * length, 1 << 20)


def test_no_array_is_longer_than_can_be_made_before_it_is_counted() -> None:
    length = LONGEST + 1
    with pytest.raises(ValueError, match="max_array_len"):
        weight(b"\xdd" + length.to_bytes(4, "big") + b"\xc0" * length, 1 << 40)


def test_what_is_deep_counts_twice_and_not_in_another_such_thing() -> None:
    flat = msgpack.packb([[1]] * 1000 + [None])
    assert weight(msgpack.packb(msgpack.ExtType(2, flat)), MOST) > 2 * weight(flat, MOST)
    inner = msgpack.packb(msgpack.ExtType(2, b"\xc0"))
    with pytest.raises(ValueError, match="inside another one"):
        weight(msgpack.packb(msgpack.ExtType(2, inner)), MOST)


@pytest.mark.parametrize(
    "data", [b"\xdd\xff\xff\xff\xff", b"\xdc\x02\x00\xc0", b"\x91" * 5000, b"\xc1"]
)
def test_what_is_not_whole_is_nothing(data: bytes) -> None:
    with pytest.raises(ValueError):
        whole(data)
