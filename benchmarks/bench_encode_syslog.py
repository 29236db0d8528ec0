"""Batches to syslog: CPU seconds per million lines, beside joining the same lines with LF.

    python -m benchmarks.bench_encode_syslog

Batches are what the Docker source makes under load: one container, as many lines of 142 bytes as
the socket's buffer holds. The ways of octet counting that were tried are kept below, each giving
the same bytes. Two shared cores, best of seven, seconds per million lines:

    |                                             | 3.11 | 3.13 |
    |---------------------------------------------|------|------|
    | plain join                                  | 0.01 | 0.01 |
    | tried: `%` per line                         | 0.22 | 0.18 |
    | tried: `%` per line, counts from a table    | 0.16 | 0.14 |
    | tried: pieces into one list, `join`         | 0.13 | 0.11 |
    | tried: one `%` for the whole batch          | 0.10 | 0.10 |
    | SyslogEncoder, octet counting               | 0.14 | 0.12 |
    | ... stdout and stderr mixed                 | 0.18 | 0.16 |
    | ... severity from parsed fields             | 0.25 | 0.21 |
    | SyslogEncoder, LF                           | 0.14 | 0.12 |
    | SyslogEncoder, datagrams                    | 0.19 | 0.17 |
    | SyslogEncoder, RFC 3164                     | 0.25 | 0.20 |

What the encoder adds to the last way tried: looking for NUL, the size limit, severities.
"""

from __future__ import annotations

import sys
from functools import partial

from benchmarks.calibration import stopwatch
from pipeline.encode.syslog import SyslogEncoder
from pipeline.model.batch import Batch
from pipeline.model.container import Container

LINES = 280
BEFORE = b"<30>1 "
AFTER = b"Z web-1 api 0123456789ab - - "
SIZE = len(BEFORE) + 26 + len(AFTER)
COUNTS = [b"%d " % number for number in range(8192)]


def sample(entries: int = LINES, *, streams: bytes = b"\1", fields: bool = False) -> Batch:
    """One batch of JSON lines of 142 bytes."""
    labels = {"com.docker.compose.project": "shop", "com.docker.compose.service": "api"}
    container = Container("0123456789ab" + "0" * 52, "shop-api-1", "shop/api:1.4", labels, "web-1")
    text = '{"level":"info","msg":"request served","status":200,"path":"/items/%06d","ms":%03d'
    lines = [(text % (i, i % 1000)).encode().ljust(141, b" ") + b"}" for i in range(entries)]
    times = [b"2026-01-31T23:59:59.%09dZ" % i for i in range(entries)]
    parsed = [{"level": "info", "status": 200} for _ in lines] if fields else None
    repeated = (streams * entries)[:entries]
    return Batch(container, lines, times, repeated, range(entries), fields=parsed)


def format_each(lines: list[bytes], times: list[bytes]) -> bytes:
    template = b"%d " + BEFORE + b"%b" + AFTER + b"%b"
    pairs = zip(lines, times, strict=True)
    return b"".join([template % (len(line) + SIZE, time[:26], line) for line, time in pairs])


def format_each_from_table(lines: list[bytes], times: list[bytes]) -> bytes:
    template = b"%b" + BEFORE + b"%.26b" + AFTER + b"%b"
    pairs = zip(lines, times, strict=True)
    return b"".join([template % (COUNTS[len(line) + SIZE], time, line) for line, time in pairs])


def join_pieces(lines: list[bytes], times: list[bytes]) -> bytes:
    pieces = [AFTER] * (5 * len(lines))
    pieces[0::5] = [COUNTS[length + SIZE] for length in map(len, lines)]
    pieces[1::5] = [BEFORE] * len(lines)
    pieces[2::5] = [time[:26] for time in times]
    pieces[4::5] = lines
    return b"".join(pieces)


def format_at_once(lines: list[bytes], times: list[bytes]) -> bytes:
    arguments = [b""] * (3 * len(lines))
    arguments[0::3] = [COUNTS[length + SIZE] for length in map(len, lines)]
    arguments[1::3] = times
    arguments[2::3] = lines
    return (b"%b" + BEFORE + b"%.26b" + AFTER + b"%b") * len(lines) % tuple(arguments)


measure = partial(stopwatch, lines=LINES, rounds=400)


def main() -> None:
    print(f"CPython {sys.version.split()[0]}, batches of {LINES} lines of 142 bytes")
    batch = sample()
    lines, times = batch.lines, batch.times
    octets, newlines = SyslogEncoder(), SyslogEncoder(framing="lf")
    measure("plain join", lambda: b"\n".join(lines))
    for way in (format_each, format_each_from_table, join_pieces, format_at_once):
        assert way(lines, times) == octets.stream([batch]).data
        measure(f"tried: {way.__name__}", lambda way=way: way(lines, times))
    measure("SyslogEncoder, octet counting", lambda: octets.stream([batch]))
    measure("SyslogEncoder, LF", lambda: newlines.stream([batch]))
    mixed, parsed = sample(streams=b"\1\1\1\2"), sample(fields=True)
    measure("... stdout and stderr mixed", lambda: octets.stream([mixed]))
    measure("... severity from parsed fields", lambda: octets.stream([parsed]))
    udp, old = SyslogEncoder(framing=None), SyslogEncoder(standard="rfc3164")
    measure("SyslogEncoder, datagrams", lambda: udp.datagrams([batch]))
    measure("SyslogEncoder, RFC 3164", lambda: old.stream([batch]))


if __name__ == "__main__":
    main()
