"""Chunks are what MessagePack's own library reads."""

from __future__ import annotations

import gzip
from typing import Any

import msgpack
import pytest

from pipeline.forward.chunks import chunk

OPTION: dict[str, Any] = {"size": 1, "chunk": "id"}


@pytest.mark.parametrize("size", [0, 1, 255, 256, 65_535, 65_536, 3 << 20])
def test_entries_of_any_size_and_in_any_pieces_are_one_binary(size: int) -> None:
    entries = bytes(size)
    packed = msgpack.packb(["tag", entries, OPTION])
    assert chunk("tag", [entries], 1, "id") == packed
    assert chunk("tag", [entries[: size // 3], b"", entries[size // 3 :]], 1, "id") == packed


def test_compressed_pieces_are_one_member_of_gzip() -> None:
    tag, entries, option = msgpack.unpackb(chunk("tag", [b"one", b"two"], 2, "id", compressed=True))
    assert (tag, gzip.decompress(entries)) == ("tag", b"onetwo")
    assert option == {"size": 2, "chunk": "id", "compressed": "gzip"}


def test_what_is_said_of_containers_goes_with_it() -> None:
    found = msgpack.unpackb(chunk("tag", [b"x"], 1, "id", containers={"c": ["name"]}))
    assert found[2] == OPTION | {"dockline": {"c": ["name"]}}
