"""Batches to JSON lines: CPU seconds per million lines.

    python -m benchmarks.bench_encode_json

Batches of 280 lines of 142 bytes, as in `bench_encode_syslog`; a line of output has some 560
bytes. Two shared cores, best of seven, seconds per million lines:

    |                                     | 3.11 | 3.13 |
    |-------------------------------------|------|------|
    | tried: messages quoted one by one   | 0.29 | 0.26 |
    | tried: messages quoted together     | 0.24 | 0.24 |
    | tried: one object per line (parsed) | 5.31 | 5.03 |
    | JsonEncoder, quoted together        | 0.35 | 0.35 |
    | the same, parsed                    | 0.85 | 0.87 |
    | JsonEncoder, quoted in C            | 0.22 |      |
    | the same, parsed                    | 0.65 |      |

One object per line is that slow because its results are kept until they are joined: orjson makes
room for 1 KiB, then gives most of it back, which takes the allocator to the kernel and back for
every batch. A copy of a result (the encoder's slice) does not have that cost.
"""

from __future__ import annotations

import sys
from functools import partial

import orjson

from benchmarks.calibration import stopwatch
from pipeline.encode.json import JsonEncoder
from pipeline.model.batch import Batch
from pipeline.model.container import Container

LINES = 280


def sample(*, parsed: bool) -> Batch:
    """One batch of JSON lines of 142 bytes, of nine fields each."""
    labels = {"com.docker.compose.project": "shop", "com.docker.compose.service": "api"}
    container = Container("0123456789ab" + "0" * 52, "shop-api-1", "shop/api:1.4", labels, "web-1")
    text = (
        '{"level":"info","msg":"request served","status":200,"path":"/items/%07d","ms":%d,'
        '"user":"u%05d","id":"0af7651916cd43dd","up":true,"n":%d}'
    )
    lines = [(text % (i, i % 1000, i, i)).encode() for i in range(LINES)]
    times = [b"2026-01-31T23:59:59.%09dZ" % i for i in range(LINES)]
    fields = [orjson.loads(line) for line in lines] if parsed else None
    return Batch(container, lines, times, b"\1" * LINES, range(LINES), fields=fields)


def quote_each(lines: list[bytes]) -> list[bytes]:
    return [orjson.dumps(line.decode())[1:-1] for line in lines]


def quote_together(lines: list[bytes]) -> list[bytes]:
    return orjson.dumps(b"\x7f".join(lines).decode("utf-8", "replace"))[1:-1].split(b"\x7f")


def one_object_per_line(batch: Batch, shared: dict[str, object]) -> bytes:
    """What one would write first."""
    columns = zip(batch.times, batch.lines, batch.sequences, batch.fields or (), strict=True)
    return b"\n".join(
        [
            orjson.dumps(
                {"@timestamp": time.decode(), "message": line.decode(), "event": {"sequence": n}}
                | shared
                | fields
            )
            for time, line, n, fields in columns
        ]
    )


measure = partial(stopwatch, lines=LINES, rounds=200)


def main() -> None:
    plain, parsed = sample(parsed=False), sample(parsed=True)
    encoder = JsonEncoder()
    first = orjson.loads(encoder.encode([plain]).splitlines()[0])
    shared = {name: first[name] for name in ("stream", "container", "host", "ecs")}
    assert quote_each(plain.lines) == quote_together(plain.lines)
    print(f"CPython {sys.version.split()[0]}, batches of {LINES} lines")
    measure("tried: messages quoted one by one", lambda: quote_each(plain.lines))
    measure("tried: messages quoted together", lambda: quote_together(plain.lines))
    measure("tried: one object per line (parsed)", lambda: one_object_per_line(parsed, shared))
    measure("JsonEncoder, unparsed", lambda: encoder.encode([plain]))
    measure("JsonEncoder, parsed", lambda: encoder.encode([parsed]))


if __name__ == "__main__":
    main()
