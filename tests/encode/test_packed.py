"""What many messages have in common is compressed once."""

from __future__ import annotations

import gzip
import zlib

import pytest

from pipeline.encode.packed import Packer, tail
from pipeline.support.deflate import Form

pytestmark = pytest.mark.usefixtures("either_loops")

FACTS = tail(b',"container":{"id":"0123456789ab","name":"shop-api-1"}' * 9 + b"}")


@pytest.mark.parametrize("packing", ["gzip", "zlib"])
def test_any_reader_of_the_format_reads_a_message(packing: Form) -> None:
    unpack = gzip.decompress if packing == "gzip" else zlib.decompress
    other = tail(b"}")
    found = Packer(packing).pack([b"one", b"", b"\0\xff" * 100], [FACTS, FACTS, other], 1420)
    plain = [b"one" + FACTS.plain, FACTS.plain, b"\0\xff" * 100 + b"}"]
    assert [unpack(one) for one in found] == plain
    assert len(found[0]) < len(plain[0]) // 3


@pytest.mark.parametrize("packing", ["gzip", "zlib"])
@pytest.mark.parametrize("front", [b"x" * 1400, b"x" * 65_535, b"x" * 200_000])
def test_what_would_be_too_long_is_compressed_as_a_whole(packing: Form, front: bytes) -> None:
    unpack = gzip.decompress if packing == "gzip" else zlib.decompress
    short, long = Packer(packing).pack([b"one", front], [FACTS, FACTS], 1420)
    assert unpack(short) == b"one" + FACTS.plain
    assert unpack(long) == front + FACTS.plain
    assert len(long) < 1000
