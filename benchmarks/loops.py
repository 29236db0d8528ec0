"""The agent's hot loops, each as a call that does with some lines what the agent does with them.

`check` holds them to their budgets. Lines are those of the whole-agent benchmarks, in batches of
280, as many as a read of the Engine's socket finds.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any

from prometheus_client import CollectorRegistry

from benchmarks.lines import line_of
from pipeline.accounting.envelope import Envelope
from pipeline.buffer import MemoryBuffer
from pipeline.encode.bulk import BulkEncoder, Index
from pipeline.encode.json import JsonEncoder
from pipeline.encode.loki.encoder import LokiEncoder, StreamFields
from pipeline.encode.loki.wire import Protobuf
from pipeline.encode.otlp.requests import Requests
from pipeline.encode.otlp.resource import Resources
from pipeline.encode.syslog import SyslogEncoder
from pipeline.expression import compile_template
from pipeline.model.batch import Batch
from pipeline.model.component import Payload, Sink, SinkConfig, SinkContext
from pipeline.model.metrics import Metrics
from pipeline.sources.docker.decode.frames import new_decoder
from pipeline.sources.docker.decode.rows import RowDecoder
from pipeline.stages import keep, parse, redact
from pipeline.testing.builders import batch, container
from pipeline.topology import delivery, send_pace

PER_BATCH, BATCHES = 280, 40
CONTAINERS = 500
MAX_LINE = 1 << 20
BLOCK = 1 << 18
LABELS = StreamFields({"container_name": compile_template("{container.name}")})
METADATA = StreamFields()
HALF = "status == 200 and duration_ms >= 250"


@dataclass(frozen=True)
class Loop:
    """One call of `call` handles so many lines (or batches, for what costs by the batch)."""

    name: str
    units: int
    call: Callable[[], object]


def calibration(lines: Sequence[bytes]) -> list[bytes]:
    """What the loops are held against: a plain comprehension that slices and adds bytes."""
    return [line[:20] + line[30:] for line in lines]


def lines() -> list[bytes]:
    return [line_of(number)[:-1].encode() for number in range(PER_BATCH * BATCHES)]


def loops() -> Iterator[Loop]:
    texts = lines()
    chunks = [texts[at : at + PER_BATCH] for at in range(0, len(texts), PER_BATCH)]
    batches = [batch(*chunk) for chunk in chunks]
    parser, half = parse.Stage("json").bind(batches[0].container), keep.Stage(HALF)
    parser(batches[0])  # it learns the names
    parsed = [entry for one in batches if (entry := parser(one))]
    syslog, json = SyslogEncoder(), JsonEncoder()
    yield Loop("framing", len(texts), _framing(chunks))
    yield Loop("files", len(texts), _files(texts))
    yield Loop("syslog", len(texts), lambda: [syslog.stream([one]) for one in batches])
    yield Loop("json", len(texts), lambda: [json.encode([one]) for one in batches])
    bulk = BulkEncoder(Index("logs-docker.{source}-default", compile_template))
    otlp, loki = Requests(Resources(), "message", "1"), LokiEncoder(Protobuf(), LABELS, METADATA)
    yield Loop("bulk", len(texts), lambda: [bulk.encode([one]) for one in batches])
    yield Loop("otlp", len(texts), lambda: [otlp.logs([one], 1) for one in batches])
    yield Loop("loki", len(texts), lambda: [loki.encode([one]) for one in batches])
    yield Loop("parse", len(texts), lambda: [parser(one) for one in batches])
    auto = parse.Stage("auto").bind(batches[0].container)
    auto(batches[0])
    hide = redact.Stage(redact.Options(what=["email", "card"], keys=["password"]))
    yield Loop("auto", len(texts), lambda: [auto(one) for one in batches])
    yield Loop("redact", len(texts), lambda: [hide(one) for one in parsed])
    yield Loop("keep", len(texts), lambda: [half(one) for one in parsed])

    def w2() -> None:
        for one in batches:
            if (found := parser(one)) and (kept := half(found)):
                json.encode([kept])

    yield Loop("w2", len(texts), w2)
    yield Loop("delivery", CONTAINERS, _delivery())


def _framing(chunks: Sequence[Sequence[bytes]]) -> Callable[[], object]:
    time = b"2026-01-31T23:59:59.123456789Z "
    reads = []
    for chunk in chunks:
        payloads = [time + line + b"\n" for line in chunk]
        reads.append(b"".join(struct.pack(">BxxxI", 1, len(one)) + one for one in payloads))

    def call() -> None:
        decoder = new_decoder(reads[0], MAX_LINE)
        for read in reads:
            decoder.feed(read)

    return call


def _files(texts: Sequence[bytes]) -> Callable[[], object]:
    """A json-file, in the blocks that are read of one."""
    row = b'{"log":"%b\\n","stream":"stdout","time":"2026-01-31T23:59:59.123456789Z"}\n'
    content = b"".join([row % text.replace(b'"', b'\\"') for text in texts])
    blocks = [content[at : at + BLOCK] for at in range(0, len(content), BLOCK)]

    def call() -> None:
        decoder = RowDecoder(MAX_LINE)
        decoder.begin_file(1)
        for block in blocks:
            decoder.feed(block)

    return call


class Nowhere(Sink[None]):
    """Takes everything at once, so that what is left is the delivery's own cost."""

    async def open(self) -> None: ...

    def encode(self, batches: Sequence[Batch]) -> Payload[None]:
        return Payload(None, sum(map(len, batches)), 1)

    async def send(self, payload: Payload[None]) -> None: ...

    async def close(self) -> None: ...


def _delivery() -> Callable[[], object]:
    """One line of each of many containers, through a buffer to a sink: what each costs as a batch.
    The delivery's pause is left out, as it is not CPU."""
    some = [
        batch(b"one line", of=container(f"api-{number}", number=number))
        for number in range(CONTAINERS)
    ]

    async def run() -> None:
        config = SinkConfig(type="nowhere")
        buffer = MemoryBuffer(config.buffer, lambda dropped, why: None)
        metrics = Metrics(CollectorRegistry())
        sink: Any = Nowhere(None, SinkContext("nowhere"))
        for one in some:
            buffer.offer(Envelope(one))
        buffer.close()
        await delivery.Delivery("nowhere", sink, buffer, config, metrics).run()

    def call() -> None:
        pause, send_pace.GATHER = send_pace.GATHER, 0.0
        try:
            asyncio.run(run())
        finally:
            send_pace.GATHER = pause

    return call


def slower(loop: Loop, times: float) -> Loop:
    """The same with so many times its work, for the test of the check itself."""

    def call() -> None:
        for _ in repeat(None, round(times)):
            loop.call()

    return Loop(loop.name, loop.units, call)
