"""The results as pictures, drawn by matplotlib without a screen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from benchmarks.suite.goals import API, FILES, GOALS, Results, median

OURS, THEIRS, DOCKER = "#d1495b", "#8d99ae", "#30638e"
LIGHT = 0.45
"""How W2 is told from W1: the same colour, paler."""
LIMIT = "#222222"


def peers(runs: Sequence[Results], file: Path) -> None:
    """CPU and lines per second of each program: bars for the first run, a dot for each other."""
    runs = [run for run in runs if "throughput" in run]
    if not runs:
        return
    names = [API, FILES, "docker logs", *(n for n in runs[0]["programs"] if n not in (API, FILES))]
    names = [name for name in names if name in runs[0]["throughput"]]
    size = 12, 1.6 + 0.72 * len(names)
    figure, (left, right) = pyplot.subplots(1, 2, figsize=size, sharey="all")
    scale = 1e6 / runs[0]["lines"]
    _bars(left, runs, names, "cpu", scale)
    left.set_xlabel("CPU seconds per million lines (less is better)")
    _bars(right, runs, names, "rate", 1e-3)
    right.set_xlabel("thousand lines per second (more is better)")
    left.set_yticks(range(len(names)), [_label(runs[0], name) for name in names])
    left.invert_yaxis()
    legend = [
        Patch(color=OURS, label="dockline"),
        Patch(color=DOCKER, label="docker logs > /dev/null"),
        Patch(color=THEIRS, label="peers"),
        Patch(color="#555555", label="W1: to RFC 5424 over TCP"),
        Patch(color="#555555", alpha=LIGHT, label="W2: parse, keep half, JSON over TCP"),
    ]
    figure.legend(handles=legend, loc="lower center", ncols=len(legend), frameon=False)
    dots = "; dots: the repeated run" if len(runs) > 1 else ""
    figure.suptitle(f"{runs[0]['lines']:,} JSON lines of {runs[0]['length']} bytes, medians{dots}")
    figure.tight_layout(rect=(0, 0.06, 1, 1))
    figure.savefig(file, dpi=120)
    pyplot.close(figure)


def _label(run: Results, name: str) -> str:
    if name == "docker logs":
        return "docker logs"
    return (
        name.replace("syslog-ng", "syslog-ng, files")
        .replace("imfile", "imfile, files")
        .replace("imdocker", "imdocker, API")
    )


def _bars(axes: Axes, runs: Sequence[Results], names: Sequence[str], what: str, by: float) -> None:
    for row, name in enumerate(names):
        color = {API: OURS, FILES: OURS, "docker logs": DOCKER}.get(name, THEIRS)
        workloads = ["read"] if name == "docker logs" else ["w1", "w2"]
        height = 0.76 / len(workloads)
        for number, workload in enumerate(workloads):
            place = row - 0.38 + height * (number + 0.5)
            found = [median(run, name, workload, what) for run in runs]
            if found[0] is not None:
                value = found[0] * by
                alpha = LIGHT if workload == "w2" else 1.0
                axes.barh(place, value, height * 0.92, color=color, alpha=alpha)
                text = f"{value:,.0f}" if what == "rate" else f"{value:.2f}"
                furthest = max(one * by for one in found if one is not None)
                axes.annotate(
                    text, (furthest, place), (7, 0), textcoords="offset points",
                    va="center", fontsize=9,
                )  # fmt: skip
            for other in found[1:]:
                if other is not None:
                    axes.plot(other * by, place, "o", color="black", markersize=4)
    axes.grid(axis="x", alpha=0.25)
    axes.margins(x=0.14)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def goals(runs: Sequence[Results], file: Path) -> None:
    """How much of what each goal allows was used: at most 1 is met, whatever its unit is."""
    rows = [
        (goal, [goal.figure(run) for run in runs])
        for goal in GOALS
        if any(goal.figure(run) is not None for run in runs)
    ]
    if not rows:
        return
    figure, axes = pyplot.subplots(figsize=(11, 1.4 + 0.42 * len(rows)))
    for row, (goal, figures) in enumerate(rows):
        shares = [
            goal.limit / one if goal.least else one / goal.limit
            for one in figures
            if one is not None
        ]
        met = all(goal.met(one) for one in figures if one is not None)
        axes.barh(row, shares[0], 0.6, color="#5b8e7d" if met else OURS)
        for share in shares[1:]:
            axes.plot(share, row, "o", color="black", markersize=5)
        said = ", ".join(goal.shown(one) for one in figures if one is not None)
        axes.annotate(
            f"{said}  (goal {goal.goal})", (max(*shares, 1.0), row), (7, 0),
            textcoords="offset points", va="center", fontsize=8.5,
        )  # fmt: skip
    axes.axvline(1, color=LIMIT, linewidth=1.2)
    axes.set_yticks(range(len(rows)), [goal.what.replace("`", "") for goal, _ in rows], fontsize=9)
    axes.invert_yaxis()
    axes.set_xlabel("share of what the goal allows (1 and less is met)")
    axes.margins(x=0.28, y=0.02)
    legend = [Patch(color="#5b8e7d", label="met"), Patch(color=OURS, label="missed")]
    dots = ", dots: the repeated run" if len(runs) > 1 else ""
    axes.legend(handles=legend, loc="lower right", title=f"bars: the first run{dots}")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.tight_layout()
    figure.savefig(file, dpi=120)
    pyplot.close(figure)


def curves(results: dict[str, Any], file: Path) -> None:
    """One panel for each way in which cost may grow."""
    panels = results["panels"]
    columns = 2
    height = -(-len(panels) // columns)
    figure, places = pyplot.subplots(height, columns, figsize=(12, 3.9 * height), squeeze=False)
    for axes in places.flat[len(panels) :]:
        axes.set_visible(False)
    for axes, panel in zip(places.flat, panels, strict=False):
        _panel(axes, panel)
    figure.tight_layout()
    figure.savefig(file, dpi=120)
    pyplot.close(figure)


def _panel(axes: Axes, panel: dict[str, Any]) -> None:
    styles = {API: ("o-", OURS), FILES: ("s--", "#b8651b")}
    for name, points in panel["series"].items():
        style, color = styles.get(name, ("^:", DOCKER))
        axes.plot(*zip(*points, strict=True), style, color=color, label=name, markersize=5)
    axes.set_title(panel["title"], fontsize=11)
    axes.set_xlabel(panel["x"])
    axes.set_ylabel(panel["y"])
    if panel["log"] and any(panel["series"].values()):
        axes.set_xscale("log")
    ticks = sorted({x for points in panel["series"].values() for x, _ in points})
    axes.set_xticks(ticks, [f"{tick:,.0f}" for tick in ticks], fontsize=8)
    axes.minorticks_off()
    most = max((y for points in panel["series"].values() for _, y in points), default=1)
    axes.set_ylim(0, 1.1 * most)
    axes.grid(alpha=0.25)
    axes.legend(frameon=False, fontsize=9)
