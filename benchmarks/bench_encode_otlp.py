"""Batches to OTLP requests: CPU seconds per million lines.

    python -m benchmarks.bench_encode_otlp

Batches of 280 lines of 142 bytes, as in `bench_encode_json`. Parsed lines have nine fields each, as
dictionaries or, as the stage `parse` leaves them, as records. Two shared cores, best of seven,
seconds per million lines:

    |                             | 3.11 |
    |-----------------------------|------|
    | tried: opentelemetry-proto  | 2.60 |
    | tried: the same, parsed     | 8.91 |
    | unparsed                    | 0.08 |
    | unparsed, without C         | 0.87 |
    | parsed                      | 3.82 |
    | records                     | 2.42 |
"""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from benchmarks.bench_encode_json import LINES, sample
from benchmarks.calibration import stopwatch
from pipeline.encode.otlp.requests import Requests
from pipeline.encode.otlp.resource import Resources
from pipeline.model.batch import Batch
from pipeline.model.records import Records, Shape
from pipeline.model.timestamps import all_nanoseconds

_VALUES = {str: "string_value", bool: "bool_value", int: "int_value", float: "double_value"}


def with_the_library(batch: Batch, observed: int) -> bytes:
    """What one would write first. Of fields that are no lists or objects."""
    request = ExportLogsServiceRequest()
    scope_logs = request.resource_logs.add().scope_logs.add()
    fields = batch.fields or [{}] * len(batch)
    columns = zip(all_nanoseconds(batch.times), batch.lines, batch.sequences, fields, strict=True)
    for time, line, sequence, row in columns:
        record: Any = scope_logs.log_records.add()
        record.time_unix_nano = time
        record.observed_time_unix_nano = observed
        record.body.string_value = line.decode("utf-8", "replace")
        own = {"event.sequence": sequence, "log.iostream": "stdout"}
        for name, value in (own | row).items():
            attribute = record.attributes.add()
            attribute.key = name
            setattr(attribute.value, _VALUES[type(value)], value)
    return request.SerializeToString()


def as_records(batch: Batch) -> Batch:
    shape = Shape(tuple((batch.fields or [{}])[0]))
    return batch.replace(parsed=Records(shape, map(shape.decode, batch.lines)))


measure = partial(stopwatch, lines=LINES, rounds=100)


def main() -> None:
    plain, parsed = sample(parsed=False), sample(parsed=True)
    records = as_records(parsed)
    ours = Requests(Resources(), "message", "0")
    print(f"CPython {sys.version.split()[0]}, batches of {LINES} lines")
    measure("tried: opentelemetry-proto", lambda: with_the_library(plain, 1))
    measure("tried: the same, parsed", lambda: with_the_library(parsed, 1))
    measure("unparsed", lambda: ours.logs([plain], 1))
    measure("parsed", lambda: ours.logs([parsed], 1))
    measure("records", lambda: ours.logs([records], 1))


if __name__ == "__main__":
    main()
