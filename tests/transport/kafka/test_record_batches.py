"""Batches as brokers give them out, and as nobody should write them."""

from __future__ import annotations

import gzip
import random
import resource
import zlib

import cramjam
import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.util import encode_varint

from pipeline.transport.kafka import record_batches
from pipeline.transport.kafka.record_batches import (
    LARGEST,
    MOST_HEADERS,
    SMALL,
    StoredBatch,
    TooLarge,
    decompressed,
    records,
    stored,
)


def built(*values: bytes, codec: int = 0, headers: int = 0, first: int = 0) -> bytes:
    builder = DefaultRecordBatchBuilder(
        2, codec, is_transactional=0, producer_id=-1, producer_epoch=-1, base_sequence=-1,
        batch_size=1 << 30,
    )  # fmt: skip
    for offset, value in enumerate(values):
        builder.append(offset, 1000 + offset, b"key", value, [("h", b"v")] * headers)
    data = bytearray(builder.build())
    data[:8] = first.to_bytes(8, "big")
    return bytes(data)


def one(data: bytes) -> StoredBatch:
    ((batch,), cut) = stored(data)
    assert cut is None
    return batch


def compressed(codec: int, body: bytes) -> StoredBatch:
    """A batch whose records are `body`, compressed."""
    start = bytearray(built(b"x")[:61])
    start[21:23] = codec.to_bytes(2, "big")
    start[8:12] = (len(start) + len(body) - 12).to_bytes(4, "big")
    return one(bytes(start) + body)


@pytest.mark.parametrize("codec", range(5))
def test_records_come_with_their_offsets(codec: int) -> None:
    data = built(b"one", b"", b"x" * 10_000, codec=codec, first=40) + built(b"four", first=50)
    (first, second), cut = stored(data)
    assert cut is None
    assert (first.first, first.until, second.first, second.until) == (40, 43, 50, 51)
    found = list(records(first))
    assert [record.offset for record in found] == [40, 41, 42]
    assert [record.value for record in found] == [b"one", b"", b"x" * 10_000]
    assert [record.timestamp for record in found] == [1000, 1001, 1002]


def test_a_batch_that_is_cut_short_is_told_with_its_size() -> None:
    first, second = built(b"one"), built(b"x" * 1000, b"y", first=7)
    for length in range(12, len(second)):
        whole, cut = stored(first + second[:length])
        assert len(whole) == 1 and cut is not None and cut.size == len(second)
        assert cut.until == (9 if length >= 27 else 8)
    assert stored(first + second[:11]) == (stored(first)[0], None)


@pytest.mark.fault(35)
@pytest.mark.parametrize("codec", [1, 3, 4])
def test_a_decompression_bomb_is_refused_with_little_memory(codec: int) -> None:
    bomb = {
        1: lambda data: zlib.compress(data, 1, 31),
        3: lambda data: bytes(cramjam.lz4.compress(data)),
        4: lambda data: bytes(cramjam.zstd.compress(data)),
    }[codec](bytes(1 << 28))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(TooLarge, match="more than 64 MiB"):
        records(compressed(codec, bomb))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 4 * LARGEST >> 10, f"{grown} KiB"
    with pytest.raises(TooLarge, match="more than 1 MiB"):
        records(compressed(codec, bomb), SMALL)


@pytest.mark.fault(35)
def test_snappy_says_how_large_it_will_be_and_is_believed_only_if_it_is() -> None:
    huge = b"\xff\xff\xff\xff\x0f" + b"x"
    with pytest.raises(ValueError):
        records(compressed(2, huge))
    xerial = b"\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01"
    many = b"".join(
        len(block).to_bytes(4, "big") + block
        for block in [bytes(cramjam.snappy.compress_raw(bytes(1 << 20)))] * 100
    )
    with pytest.raises(TooLarge):
        records(compressed(2, xerial + many))


def test_gzip_of_several_members_is_read() -> None:
    assert decompressed(1, gzip.compress(b"a") + gzip.compress(b"b")) == b"ab"


@pytest.mark.parametrize("codec", [1, 2, 3, 4, 5, 7])
def test_what_is_not_compressed_as_it_says_is_refused(codec: int) -> None:
    for body in (b"", b"x", b"\x82SNAPPY\x00", random.Random(codec).randbytes(1000)):
        if codec == 1 and not body:
            continue
        with pytest.raises(ValueError) as raised:
            list(records(compressed(codec, body)))
        assert len(str(raised.value)) < 200


@pytest.mark.fault(35)
def test_a_record_with_too_many_headers_is_refused() -> None:
    few = built(b"x" * SMALL, headers=MOST_HEADERS)
    assert len(next(records(one(few))).headers) == MOST_HEADERS
    with pytest.raises(ValueError, match="257 headers"):
        records(one(built(b"x" * SMALL, headers=MOST_HEADERS + 1)))


@pytest.mark.fault(35)
@pytest.mark.parametrize("size", [40, 1 << 20, 1 << 40, (1 << 63) - 1])
@pytest.mark.parametrize("which", ["record", "key", "value"])
def test_a_size_that_leads_beyond_the_records_is_refused(which: str, size: int) -> None:
    """What lies there in memory is read by nobody: it may not even be there."""
    sizes = {"record": 10, "key": 3, "value": 1} | {which: size}
    record = b"\0\0\0" + _varint(sizes["key"]) + b"key" + _varint(sizes["value"]) + b"x\0"
    whole = built(b"x" * SMALL)
    batch = bytearray(whole[:61]) + _varint(sizes["record"]) + record
    with pytest.raises(ValueError, match=r"cut short|no sense|ten bytes"):
        list(records(one(bytes(batch.ljust(len(whole), b"\xff")))))


def _varint(number: int) -> bytes:
    found = bytearray()
    encode_varint(number, found.append)
    return bytes(found)


def test_numbers_of_any_length_are_read_as_they_are_written() -> None:
    for number in (0, 1, -1, 63, 64, -64, -65, 1 << 31, -(1 << 62), (1 << 63) - 1, -(1 << 63)):
        data = b"x" + _varint(number)
        assert record_batches._varint(data, 1) == (number, len(data))
        with pytest.raises(IndexError):
            record_batches._varint(data[:-1], 1)
    with pytest.raises(ValueError, match="more than ten bytes"):
        record_batches._varint(b"\xff" * 11, 0)


def test_old_formats_and_markers_of_transactions() -> None:
    old = bytearray(built(b"x"))
    old[16] = 1
    with pytest.raises(ValueError, match="records of format 1"):
        records(one(bytes(old)))
    control = bytearray(built(b"x"))
    control[22] |= 0x20
    assert list(records(one(bytes(control)))) == []


@pytest.mark.parametrize("seed", range(300))
def test_whatever_bytes_a_batch_has_it_is_read_or_refused(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if seed % 2:
        monkeypatch.setattr(record_batches, "SMALL", 10)  # so that it is looked at before
    chance = random.Random(seed)
    data = bytearray(built(b"one", b"two" * 50, b"x", codec=seed % 5, headers=3))
    for _ in range(chance.randint(1, 5)):
        data[chance.randrange(len(data))] = chance.randrange(256)
    try:
        batches, _ = stored(bytes(data))
        for batch in batches:
            for record in records(batch):
                assert isinstance(record.offset, int)
    except ValueError as error:
        assert len(str(error)) < 200
