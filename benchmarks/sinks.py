"""What each sink costs: by itself, and as the end of a whole agent, beside its peers.

    python -m benchmarks.sinks [--table alone whole] [--lines 1000000] [--runs 3]
                               [--only redis,elasticsearch] [--minutes 15] [--write]

`alone`: lines of 142 bytes of JSON, not parsed, go through a sink's own buffer and delivery to a
real server or to a receiver that throws away what it gets (`destinations`), over the loopback. Each
run is a process of its own, which makes its lines before and warms up with a few; what it uses from
the first line on until the destination has the last one is what the operating system says.

`whole`: dockline and each peer whose program is given by its path (`PEER_FLUENT_BIT`,
`PEER_VECTOR`) read a container's file and send it (`whole`).

All ways take turns, every second round backwards; the medians are written. `whole` begins no way a
second or third time after `--minutes`. `--only` has names of ways, or of sinks. `--write` keeps the
figures in results/, and those that are there of a table that is not measured.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import whole_report
from benchmarks.destinations import NO_LOGS, WAYS, Way
from benchmarks.lines import LENGTH
from benchmarks.suite import machine as whole_machine
from benchmarks.suite.peers import given
from benchmarks.suite.programs import our_version
from benchmarks.whole import OURS, measure
from benchmarks.whole_ways import WHOLE_WAYS, WholeWay
from pipeline.model import registry

RESULTS = Path(__file__).parent / "results"
PATIENCE = 900.0
TABLES = ("alone", "whole")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0], formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--table", nargs="+", choices=TABLES, default=TABLES)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=15, help="of `whole`; fewer runs then")
    parser.add_argument("--only", default="", help="names of ways or sinks, with commas")
    parser.add_argument("--write", action="store_true", help="keep the figures in results/")
    arguments = parser.parse_args()
    only = set(filter(None, arguments.only.split(",")))
    known = {name for way in WAYS for name in (way.name, way.kind)}
    known |= {name for way in WHOLE_WAYS for name in (way.slug, way.sink)}
    if unknown := only - known:
        parser.error(f"no such way or sink: {', '.join(sorted(unknown))}")
    file = RESULTS / "sinks.json"
    figures: dict[str, Any] = json.loads(file.read_text()) if arguments.write else {}
    alone = [way for way in WAYS if not only or {way.name, way.kind} & only]
    if alone and "alone" in arguments.table:
        figures |= _alone(alone, arguments.lines, arguments.runs)
    whole = [way for way in WHOLE_WAYS if not only or {way.slug, way.sink} & only]
    if whole and "whole" in arguments.table:
        figures["whole"] = _whole(whole, arguments)
    print(text := page(figures))
    if arguments.write:
        (RESULTS / "sinks.md").write_text(text)
        file.write_text(json.dumps(figures, indent=1) + "\n")


def _alone(ways: Sequence[Way], lines: int, turns: int) -> dict[str, Any]:
    runs: dict[str, list[dict[str, Any]]] = {way.name: [] for way in ways}
    for turn in range(turns):
        for way in ways[:: -1 if turn % 2 else 1]:
            one = measured(way, lines)
            runs[way.name].append(one)
            print(f"{turn + 1} {way.name}: {one}", file=sys.stderr, flush=True)
    return {"lines": lines, "machine": machine(), "ways": runs}


def _whole(ways: Sequence[WholeWay], arguments: argparse.Namespace) -> dict[str, Any]:
    until = time.monotonic() + arguments.minutes * 60
    peers, absent = given(*(way.slug for way in WHOLE_WAYS))
    on = whole_machine.described()
    return {
        "lines": arguments.lines,
        "length": LENGTH,
        "machine": f"{on['cores']} cores of {on['processor']}, {on['memory_gib']} GiB, "
        f"{on['system']}, Linux {on['kernel']}",
        "programs": {OURS: our_version(), **{peer.name: peer.version for peer in peers}},
        "absent": absent,
        "runs": measure(
            ways, peers, arguments.lines, arguments.runs, lambda: time.monotonic() < until
        ),
    }


def page(figures: dict[str, Any]) -> str:
    parts = ["# What each sink costs"]
    if ways := figures.get("ways"):
        by_name = {way.name: way for way in WAYS}
        known = [by_name[name] for name in ways if name in by_name]
        parts += ["## By itself", report(known, ways, figures["lines"], figures["machine"])]
    if whole := figures.get("whole"):
        parts += ["## Whole agents, from a file to a sink", whole_report.report(whole)]
    return "\n\n".join(parts) + "\n"


def measured(way: Way, lines: int) -> dict[str, Any]:
    """What one run in a process of its own says; why it failed under `failed`."""
    with tempfile.TemporaryDirectory() as name, way.destination(Path(name)) as settings:
        folder = Path(name)
        (folder / "sink.toml").write_text(f'[sinks.it]\ntype = "{way.kind}"\n{settings}\n')
        command = [sys.executable, "-m", "benchmarks.sink_run", str(folder), str(lines)]
        with (folder / "log").open("wb") as log:
            try:
                subprocess.run(
                    command,
                    stdout=subprocess.DEVNULL,
                    stderr=log,
                    timeout=PATIENCE,
                    check=True,
                    env={**os.environ, "PYTHONPATH": "."},
                )
            except subprocess.SubprocessError as error:
                said = (folder / "log").read_text(errors="replace").strip()[-500:]
                return {"failed": f"{error}: {said}"}
        result: dict[str, Any] = json.loads((folder / "result.json").read_text())
        return result


def report(ways: Sequence[Way], runs: dict[str, list[dict[str, Any]]], lines: int, on: str) -> str:
    count = max(map(len, runs.values()), default=0)
    rows = [
        f"`python -m benchmarks.sinks --table alone`: {lines:,} lines of 142 bytes, {on}, "
        f"medians of {count}.",
        "",
        "CPU is user and system time of the agent's side alone: taking the lines out of the buffer,"
        " encoding and sending them, and reading what is answered. Lines per second are the"
        " destination's as well, with which the machine's cores are shared. Bytes are those that"
        " `dockline_delivered_bytes_total` counts: of `forward` and `nats` they are compressed, and"
        " these lines compress well.",
        "",
        "| sink | to | CPU s per million lines | fastest to slowest run | bytes a line | lines/s |",
        "|---|---|---|---|---|---|",
    ]
    rows += [row(way, runs[way.name]) for way in ways]
    missing = sorted(set(registry.names("sinks")) - {way.kind for way in WAYS} - set(NO_LOGS))
    rows += ["", f"{', '.join(f'`{name}`' for name in NO_LOGS)} take no logs."]
    if missing:
        rows += ["", f"Not measured: {', '.join(f'`{name}`' for name in missing)}."]
    return "\n".join(rows)


def row(way: Way, runs: Sequence[dict[str, Any]]) -> str:
    good = [run for run in runs if "failed" not in run]
    if not good:
        reason = runs[0]["failed"].splitlines()[-1] if runs else "not run"
        return f"| `{way.name}` | {way.to} | failed: {reason[:100]} | | | |"
    cpu = sorted(run["cpu"] for run in good)
    rate = statistics.median(run["rate"] for run in good)
    size = statistics.median(run["size"] for run in good)
    return (
        f"| `{way.name}` | {way.to} | {statistics.median(cpu):.2f} | "
        f"{cpu[0]:.2f} to {cpu[-1]:.2f} | {size:,.0f} | {rate:,.0f} |"
    )


def machine() -> str:
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{python}, {os.cpu_count()} cores"


if __name__ == "__main__":
    main()
