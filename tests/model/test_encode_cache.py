"""A batch is encoded once for all sinks that want it the same way, in bounded memory."""

from __future__ import annotations

import asyncio
import queue
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.accounting.envelope import Envelope
from pipeline.accounting.ledger import NOBODY
from pipeline.buffer import SpooledBuffer
from pipeline.encode.json import JsonEncoder
from pipeline.encode.syslog import SyslogEncoder
from pipeline.model import encode_cache
from pipeline.model.acknowledgement import UNTRACKED
from pipeline.model.batch import Batch
from pipeline.model.component import BufferConfig, Size
from pipeline.model.encode_cache import MOST, EncodeCache, KeptEncodings, Part
from pipeline.model.records import Records, Shape
from pipeline.testing.builders import batch
from tests.buffer.acknowledgements import Tracked


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> KeptEncodings:
    """What is kept, and nothing of what other tests have left in a traceback."""
    made = KeptEncodings()
    monkeypatch.setattr(encode_cache, "KEPT", made)
    return made


@pytest.fixture
def switching() -> Iterator[None]:
    """Threads take turns as often as they can."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


def sealed(*lines: bytes, sinks: int = 2, **kwargs: Any) -> list[Envelope]:
    """One batch as each of several sinks gets it from a route."""
    cache = EncodeCache(UNTRACKED)
    one = batch(*lines, **kwargs).routed("all", cache)
    cache.hold(sinks)
    return [Envelope(one, ack=cache) for _ in range(sinks)]


def unexpected(*told: object) -> None:
    raise AssertionError(told)


def in_kept(kept: KeptEncodings) -> int:
    """Bytes that are kept, counted one by one."""
    return sum(len(data) for parts, _ in kept._parts.values() for data, _ in parts.values())


def test_sinks_of_one_encoding_send_the_very_same_bytes(kept: KeptEncodings) -> None:
    first, second = sealed(b"a", b"b")
    data = SyslogEncoder().stream([first.batch]).data
    assert SyslogEncoder().stream([second.batch]).data is data
    assert kept.size == len(data)


def test_records_that_one_sink_reads_as_dictionaries_stay_records_for_the_others() -> None:
    shape = Shape(("a",))
    first, second = sealed(b'{"a":1}')
    first.batch.parsed = Records(shape, [shape.of({"a": 1})])
    assert first.batch.fields == [{"a": 1}]
    assert type(second.batch.parsed) is Records
    alone = first.batch.replace()
    assert alone.fields is alone.parsed == [{"a": 1}]


def test_what_was_cut_is_counted_by_each_of_them() -> None:
    first, second = sealed(b"x" * 9000)
    assert SyslogEncoder().stream([first.batch]).truncated == 1
    assert SyslogEncoder().stream([second.batch]).truncated == 1


@pytest.mark.parametrize(
    "other",
    [
        {"framing": "lf"},
        {"standard": "rfc3164"},
        {"facility": "user"},
        {"max_message": 500},
        {"structured_data": '[a b="c"]'},
        {"host": "other"},
    ],
)
def test_sinks_with_other_options_get_their_own(other: dict[str, Any]) -> None:
    for encoder in (SyslogEncoder(), SyslogEncoder(**other)):
        alone = encoder.stream([batch(b"a" * 700)]).data
        first, second = sealed(b"a" * 700)
        SyslogEncoder(facility="mail").stream([first.batch])
        assert encoder.stream([second.batch]).data == alone


def test_json_and_syslog_of_one_batch_do_not_mix() -> None:
    fields = [{"level": "error"}]
    first, second, third = sealed(b"a", sinks=3, fields=fields)
    JsonEncoder().encode([first.batch])
    assert SyslogEncoder().stream([second.batch]).data == SyslogEncoder().stream([third.batch]).data
    assert JsonEncoder().encode([third.batch]) == JsonEncoder().encode(
        [batch(b"a", fields=[{"level": "error"}])]
    )


def test_entries_that_were_taken_out_for_one_sink_are_in_nobody_elses() -> None:
    first, second = sealed(b"a", b"b")
    whole = SyslogEncoder().stream([first.batch]).data
    half = second.batch.select([False, True])
    assert half is not None
    assert half.cache is None
    assert whole.endswith(SyslogEncoder().stream([half]).data)


def test_nothing_is_kept_when_the_last_sink_has_settled(kept: KeptEncodings) -> None:
    first, second = sealed(b"a")
    SyslogEncoder().stream([first.batch])
    first.ack.settle()
    assert kept.size > 0
    SyslogEncoder().stream([second.batch])
    JsonEncoder().encode([second.batch])
    second.ack.settle()
    assert kept.size == 0
    assert not kept._parts


def test_what_is_encoded_after_all_have_settled_is_not_kept(kept: KeptEncodings) -> None:
    first, second = sealed(b"a")
    for one in (first, second):
        one.ack.settle()
    assert SyslogEncoder().stream([first.batch]).data == SyslogEncoder().stream([second.batch]).data
    assert kept.size == 0
    assert not kept._parts


def test_what_waits_for_all_sinks_is_held_and_settled_as_often_as_each_of_them() -> None:
    behind = Tracked()
    common = EncodeCache(behind)
    common.hold(2)
    behind.settle()
    common.settle()
    assert not behind.settled
    common.settle()
    assert behind.settled


@pytest.mark.usefixtures("switching")
def test_what_is_kept_adds_up_when_batches_are_freed_by_another_thread(kept: KeptEncodings) -> None:
    freeing: queue.SimpleQueue[Envelope | None] = queue.SimpleQueue()

    def free() -> None:
        while freeing.get() is not None:
            pass

    threads = [threading.Thread(target=free) for _ in range(3)]
    for thread in threads:
        thread.start()
    encoder = JsonEncoder()
    for _ in range(8000):
        first, second = sealed(b"x" * 1000)
        encoder.encode([first.batch])
        encoder.encode([second.batch])
        first.ack.settle()
        second.ack.settle()
        freeing.put(first)
        freeing.put(second)
    for _ in threads:
        freeing.put(None)
    for thread in threads:
        thread.join()
    del first, second
    assert (kept.size, in_kept(kept)) == (0, 0)


@pytest.mark.usefixtures("switching")
async def test_what_is_kept_adds_up_when_a_spool_writes_what_another_sink_sends(
    kept: KeptEncodings, tmp_path: Path
) -> None:
    encoder = JsonEncoder()
    config = BufferConfig(memory=Size(20_000), disk=Size(2**22))
    buffer = SpooledBuffer(config, tmp_path, unexpected, unexpected, lambda origin: NOBODY)
    await buffer.open()
    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        tasks.create_task(buffer.run(), name="spool")
        for _ in range(300):
            first, second = sealed(b"x" * 1000)
            encoder.encode([first.batch])
            await buffer.put(second)
            assert kept.size == in_kept(kept)
            first.ack.settle()
            del first, second
        assert buffer.disk.entries > 0
        while buffer.entries:
            for one in await buffer.take(2**20, 1000, 0):
                encoder.encode([one.batch])
                buffer.release(one)
                one.ack.settle()
        buffer.finish()
    assert (kept.size, in_kept(kept)) == (0, 0)


def test_a_sink_that_is_far_behind_costs_no_more_than_so_much_and_encodes_for_itself(
    kept: KeptEncodings,
) -> None:
    behind = []
    for _ in range(3 * MOST // 100_000):
        first, second = sealed(b"x" * 7000, *[b"x" * 5000] * 19)
        JsonEncoder().encode([first.batch])
        behind.append(second.batch)
        assert kept.size <= MOST
    assert len(kept._parts) < len(behind) / 2
    assert JsonEncoder().encode(behind[:1]) == JsonEncoder().encode(behind[-1:])


def test_a_batch_of_one_sink_is_not_kept(kept: KeptEncodings) -> None:
    one = batch(b"a")
    SyslogEncoder().stream([one])
    assert one.cache is None
    assert kept.size == 0


def test_an_encoder_that_fails_keeps_nothing(kept: KeptEncodings) -> None:
    def fails(one: Batch) -> Part:
        raise ZeroDivisionError

    common = EncodeCache(UNTRACKED)
    common.hold()
    with pytest.raises(ZeroDivisionError):
        common.once("x", fails, None)
    assert common.once("x", lambda one: (b"y", 0), None) == (b"y", 0)
    assert kept.size == 1
