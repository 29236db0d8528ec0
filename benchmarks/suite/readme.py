"""README's figures, from the results that are committed.

    python -m benchmarks.suite.readme

Rewrites what stands between two marks in README.md. A test holds that both agree.
"""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.suite import files
from benchmarks.suite.goals import API, FILES, GOALS, Results, median
from benchmarks.suite.report import table, verdict

README = files.FOLDER.parent.parent / "README.md"
BEGIN, END = "<!-- figures, by benchmarks/suite/readme.py -->\n", "<!-- end of figures -->"


def figures(runs: Sequence[Results]) -> str:
    """One row for each program, of the first run, and how many goals were met."""
    first = runs[0]
    route = bool(first.get("mixed"))
    head = [
        "", "reads", "W1, CPU s", "to `docker logs`", "W2, CPU s", "to `docker logs`",
        *(["W3, CPU s", "W4, µs a line"] if route else []), "k lines/s", "lost or destroyed",
    ]  # fmt: skip
    rows = [["`docker logs >/dev/null`", "API", *_of(first, "docker logs", "read"), "", ""]]
    rows[0] += ["", ""] if route else []
    rows[0] += [_rate(first, "docker logs", ("read",)), "none"]
    for name, program in first["programs"].items():
        shown = f"**{name}**" if name in (API, FILES) else name
        reads = "API" if program["reads"] == "api" else "files"
        row = [shown, reads, *_of(first, name, "w1"), *_of(first, name, "w2")]
        row += [_of(first, name, "w3")[0], _mixed(first, name)] if route else []
        rows.append([*row, _rate(first, name, ("w1", "w2")), _lost(first, name)])
    verdicts = [verdict(goal, runs) for goal in GOALS]
    return (
        f"{table(head, rows)}\n\n"
        "![dockline and its peers](benchmarks/results/full-peers.png)\n\n"
        f"{'W3: the route above. W4: the same, fifty mixed containers. ' if route else ''}"
        f"CPU seconds per million lines, medians of runs in turns, CPython "
        f"{first['machine']['python']}, {first['machine']['cores']} cores. Of "
        f"{len(GOALS)} goals, {verdicts.count('met')} were met in "
        f"{'each of ' + str(len(runs)) + ' runs' if len(runs) > 1 else 'one run'}: "
        "[all of them](benchmarks/results/full.md), and "
        "[how to repeat it](docs/explain/performance.md).\n"
    )


def _of(results: Results, name: str, workload: str) -> list[str]:
    cpu = median(results, name, workload, "cpu")
    ratio = median(results, name, workload, "cpu_ratio")
    if cpu is None:
        return ["", ""]
    return [f"{cpu / results['lines'] * 1e6:.2f}", "1" if ratio is None else f"{ratio:.2f}"]


def _mixed(results: Results, name: str) -> str:
    cpu = results["mixed"].get(name, {}).get("cpu")
    return "" if cpu is None else f"{cpu:.1f}"


def _rate(results: Results, name: str, workloads: Sequence[str]) -> str:
    rates = [median(results, name, workload, "rate") for workload in workloads]
    return ", ".join("–" if rate is None else f"{rate / 1000:,.0f}" for rate in rates)


def _lost(results: Results, name: str) -> str:
    """The worst of its runs: those that lost or destroyed anything."""
    found = [
        (run["failed"] and "failed") or run["faults"]
        for workload in ("w1", "w2", "w3")
        for run in results["throughput"].get(name, {}).get(workload, ())
    ]
    bad = [one for one in found if one != "none"]
    return f"{len(bad)} of {len(found)} runs: {bad[0]}" if bad else "none"


def rewritten(text: str, runs: Sequence[Results]) -> str:
    """README with the figures of these runs."""
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    return f"{before}{BEGIN}\n{figures(runs)}\n{END}{after}"


def main() -> None:
    README.write_text(rewritten(README.read_text(), files.runs()))


if __name__ == "__main__":
    main()
