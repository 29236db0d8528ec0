"""What `benchmarks.whole` has found, as Markdown. Pure: figures in, text out."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.whole import OURS, Run, Runs
from benchmarks.whole_ways import NO_WAY, WHOLE_WAYS

BY_SLUG = {way.slug: way for way in WHOLE_WAYS}
DASH = "–"


def report(found: Mapping[str, Any]) -> str:
    """`found`: the figures as `benchmarks.sinks` keeps them."""
    runs: Runs = found["runs"]
    others = [name for name in found["programs"] if name != OURS]
    counts = [len(each) for programs in runs.values() for each in programs.values()]
    turns, fewer = max(counts), "" if len({*counts}) == 1 else f", of some rows of {min(counts)}"
    versions = "; ".join(f"{name}: {version}" for name, version in found["programs"].items())
    parts = [
        f"`python -m benchmarks.sinks --table whole`: {found['lines']:,} lines of "
        f"{found['length']} bytes, {found['machine']}, medians of {turns}{fewer}. {versions}.",
        "One container's json-file log, read from its beginning to a receiver that answers as the "
        "real destination does, on the loopback. CPU is user and system time of the whole process, "
        "its start included; lines per second are those while lines arrive. Programs run in turns. "
        "Afterwards the receiver looks for each line; order is that of a connection. Nothing is "
        "parsed but Docker's JSON. dockline sends the container's facts with each line; it keeps "
        "its place on disk. Peers send Docker's fields, and keep no place "
        "([configuration](../peers)). Bytes are those of a line before compression.",
        "\n".join([*_head(others), *(_row(slug, runs[slug], others) for slug in runs)]),
    ]
    parts += [f"{name} did not take part: {why}." for name, why in sorted(found["absent"].items())]
    parts.append(
        "Without a row: " + "; ".join(f"`{sink}` {why}" for sink, why in NO_WAY.items()) + "."
    )
    return "\n\n".join(parts)


def _head(others: Sequence[str]) -> list[str]:
    cells = ["to", "dockline: CPU s per million lines", "k lines/s", "bytes a line"]
    for name in others:
        cells += [f"{name}: CPU s per million lines", "k lines/s", "bytes a line"]
        cells += [f"CPU, dockline to {name}", f"lines/s, dockline to {name}"]
    cells.append("what differs, and what was lost")
    return [_line(cells), _line(["---"] * len(cells))]


def _row(slug: str, programs: Mapping[str, Sequence[Run]], others: Sequence[str]) -> str:
    ours = programs.get(OURS, ())
    cells, said = [f"`{slug}`", *_figures(ours)], _said(OURS, ours)
    for name in others:
        theirs = programs.get(name, ())
        cells += [*_figures(theirs), _ratio(ours, theirs, "cpu"), _ratio(ours, theirs, "rate")]
        said += _said(name, theirs)
    way = BY_SLUG.get(slug)
    differs = [way.says] if way and way.says else []
    return _line([*cells, "; ".join([*differs, *said])])


def _figures(runs: Sequence[Run]) -> list[str]:
    cpu, rate, size = (_median(runs, figure) for figure in ("cpu", "rate", "size"))
    if cpu is None or rate is None or size is None:
        return [DASH] * 3
    return [f"{cpu:.2f}{_spread(runs)}", f"{rate / 1000:,.0f}", f"{size:,.0f}"]


def _spread(runs: Sequence[Run]) -> str:
    """Of the fastest and the slowest run, where there are two."""
    found = sorted(run["cpu"] for run in runs if "failed" not in run)
    return f" ({found[0]:.2f} to {found[-1]:.2f})" if len(found) > 1 else ""


def _median(runs: Sequence[Run], figure: str) -> float | None:
    """Over the runs that did what they were asked for; None if none did."""
    found = [run[figure] for run in runs if "failed" not in run]
    return statistics.median(found) if found else None


def _ratio(ours: Sequence[Run], theirs: Sequence[Run], figure: str) -> str:
    """Of the medians."""
    mine, other = _median(ours, figure), _median(theirs, figure)
    return f"**{mine / other:.2f}**" if mine and other else DASH


def _said(name: str, runs: Sequence[Run]) -> list[str]:
    """Why runs failed, and what they lost, each once."""
    reasons = [run["failed"].splitlines()[-1][:120] for run in runs if "failed" in run]
    reasons += [run["faults"] for run in runs if run.get("faults", "none") != "none"]
    return [f"{name}: {reason}".replace("|", "\\|") for reason in dict.fromkeys(reasons)]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
