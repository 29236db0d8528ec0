"""The stage `parse`, and the ways of decoding JSON lines that were tried for it.

    python benchmarks/bench_parse.py

One `orjson.loads` for all lines of a batch is the quickest, but lines can spill into each other in
the joined array (`[1` and `2]`); a number between them that no line can hold tells, and costs what
the joining saved. msgspec, line by line, is as quick without.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import msgspec
import orjson
from calibration import LINES, batches, headline, json_lines, measure

from pipeline.model.records import Shape
from pipeline.stages import parse
from pipeline.testing.builders import container

NUMBER = secrets.randbits(60) | 1 << 60
BETWEEN = b",%d," % NUMBER


def joined(lines: list[bytes]) -> list[Any]:
    values: list[Any] = orjson.loads(b"[" + b",".join(lines) + b"]")
    return values


def joined_and_checked(lines: list[bytes]) -> list[Any]:
    values: list[Any] = orjson.loads(b"[" + BETWEEN.join(lines) + b"]")
    assert len(values) == 2 * len(lines) - 1
    assert values[1::2] == [NUMBER] * (len(lines) - 1)
    found = values[::2]
    assert {*map(type, found)} == {dict}
    return found


def main() -> None:
    headline("Parsing")
    lines = json_lines()
    whole = batches(lines)
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    ways: dict[str, Callable[[list[bytes]], list[Any]]] = {
        "tried: orjson, line by line": lambda some: list(map(orjson.loads, some)),
        "tried: orjson, joined, unsafe": joined,
        "tried: orjson, joined, with numbers between": joined_and_checked,
        "tried: msgspec, line by line": lambda some: list(map(decode, some)),
    }
    decode_record = Shape(tuple(decode(lines[0]))).decode
    ways["msgspec, line by line, as records"] = lambda some: list(map(decode_record, some))
    for name, way in ways.items():
        measure(name, lambda batch, way=way: way(batch.lines), whole)
    logfmt = [
        b"level=info status=200 duration_ms=250 user=u%05d path=/items" % n for n in range(LINES)
    ]
    quoted = [b'level=info msg="request served" status=200 user=u%05d' % n for n in range(LINES)]
    mixed = [line if n % 10 else b"a line of plain text" for n, line in enumerate(lines)]
    access = rb'10.0.0.1 - - [31/Jan/2026:23:59:59 +0000] "GET /items/%05d HTTP/1.1" 200 1234'
    klog = b'I0131 23:59:59.000000       1 controller.go:116] "Pod updated" pod="kube/dns%05d"'
    syslog = b"<34>Oct 11 22:14:15 web-1 su[%d]: 'su root' failed for lonvick on /dev/pts/8"
    pattern = r'^(?P<ip>\S+) \S+ \S+ \[[^\]]+\] "(?P<method>\S+) (?P<path>\S+) \S+" (?P<status>\d+)'
    cases: tuple[tuple[str, Any, list[bytes]], ...] = (
        ("json", "json", lines),
        ("json, one line in ten is text", "json", mixed),
        ("json, all text", "json", [b"a line of plain text"] * LINES),
        ("auto, all json", "auto", lines),
        ("auto, all text", "auto", [b"a line of plain text"] * LINES),
        ("auto, all access log", "auto", [access % n for n in range(LINES)]),
        ("nginx", "nginx", [access % n for n in range(LINES)]),
        ("klog", "klog", [klog % n for n in range(LINES)]),
        ("syslog", "syslog", [syslog % n for n in range(LINES)]),
        ("logfmt, five pairs", "logfmt", logfmt),
        ("logfmt, four pairs, one quoted", "logfmt", quoted),
        ("regex, four groups", parse.Pattern(regex=pattern), [access % n for n in range(LINES)]),
    )
    for name, config, some in cases:
        measure(name, parse.Stage(config), batches(some))
    combined = access + b' "-" "Mozilla/5.0 (X11; Linux x86_64)"'
    for config in ("nginx", "auto"):
        known = parse.Stage(config).bind(container())
        measure(
            f"{config}, combined, as records", known, batches([combined % n for n in range(LINES)])
        )


if __name__ == "__main__":
    main()
