"""The results as Markdown: each goal beside its figure, and each program beside the others.

Pure: results in, text out. With more than one run, each has its own column or table.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import Any

from benchmarks.suite.goals import API, FILES, GOALS, Goal, Results, median, of_rounds


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def verdict(goal: Goal, results: Sequence[Results]) -> str:
    """`met` if every run that measured it has met it."""
    found = [figure for one in results if (figure := goal.figure(one)) is not None]
    if not found:
        return "not measured"
    met = sum(map(goal.met, found))
    if met in (0, len(found)):
        return "met" if met else "**missed**"
    return f"met in {met} of {len(found)} runs"


def goal_table(results: Sequence[Results]) -> str:
    head = ["", "goal", *_columns(results), ""]
    rows = []
    for goal in GOALS:
        figures = [goal.figure(one) for one in results]
        shown = ["–" if figure is None else goal.shown(figure) for figure in figures]
        rows.append([goal.what, goal.goal, *shown, verdict(goal, results)])
    return table(head, rows)


def peer_table(results: Results) -> str:
    """CPU and lines per second of W1 and W2, and what was lost, of one run."""
    head = [
        "", "reads", "W1 CPU s", "to `docker logs`", "W2 CPU s", "to `docker logs`",
        "k lines/s W1, W2", "peak MiB", "dockerd CPU s", "runs", "lost or destroyed lines",
    ]  # fmt: skip
    rows = [_docker_logs(results)]
    rows += [_program(results, name) for name in results["programs"]]
    rows += [[name, "–", *["–"] * 8, reason] for name, reason in sorted(results["absent"].items())]
    return table(head, rows)


def _docker_logs(results: Results) -> list[str]:
    runs = results["throughput"]["docker logs"]["read"]
    cpu, rate, dockerd = (
        median(results, "docker logs", "read", figure) for figure in ("cpu", "rate", "dockerd_cpu")
    )
    return [
        "`docker logs --timestamps`", "API", _number(_per_million(results, cpu)), "1", "", "",
        _thousands(rate), "", _number(_per_million(results, dockerd)), str(len(runs)), "none",
    ]  # fmt: skip


def _program(results: Results, name: str) -> list[str]:
    def of(workload: str, figure: str) -> float | None:
        return median(results, name, workload, figure)

    runs = results["throughput"].get(name, {})
    cpu = {one: _per_million(results, of(one, "cpu")) for one in ("w1", "w2")}
    peaks = [peak for one in ("w1", "w2") if (peak := of(one, "peak_mib")) is not None]
    shown = f"**{name}**" if name in (API, FILES) else name
    return [
        shown, "API" if results["programs"][name]["reads"] == "api" else "files",
        _number(cpu["w1"]), _number(of("w1", "cpu_ratio")),
        _number(cpu["w2"]), _number(of("w2", "cpu_ratio")),
        f"{_thousands(of('w1', 'rate'))}, {_thousands(of('w2', 'rate'))}",
        f"{max(peaks):.0f}" if peaks else "–",
        _number(_per_million(results, of("w1", "dockerd_cpu"))),
        str(max(map(len, runs.values()), default=0)), _faults(runs),
    ]  # fmt: skip


def _faults(runs: dict[str, list[dict[str, Any]]]) -> str:
    """Of all its runs, by workload; what it could not do at all stands there too."""
    found = []
    for workload in ("w1", "w2"):
        for run in runs.get(workload, ()):
            said = run["failed"].splitlines()[0][:100] if run["failed"] else run["faults"]
            if said != "none":
                found.append(f"{workload.upper()}: {said}")
    return "; ".join(dict.fromkeys(found)).replace("|", "\\|") or "none"


def route_table(results: Results) -> str:
    """W3 and W4: what README's route costs. Empty if neither was measured."""
    mixed, rows = results.get("mixed", {}), []
    for name in results["programs"]:
        w3, w2 = (median(results, name, one, "cpu") for one in ("w3", "w2"))
        w4 = mixed.get(name, {})
        if w3 is None and not w4:
            continue
        ratio = of_rounds(results, name, "w3", "w2")
        runs = results.get("throughput", {}).get(name, {}).get("w3", ())
        faults = [run["failed"] or run["faults"] for run in runs] + [_mixed_fault(w4)]
        said = "; ".join(dict.fromkeys(one[:100] for one in faults if one != "none"))
        rows.append(
            [
                f"**{name}**" if name in (API, FILES) else name,
                _number(_per_million(results, w3)), _number(ratio if w2 else None),
                _thousands(median(results, name, "w3", "rate")),
                _number(w4.get("cpu")), f"{w4['share']:.1%}" if "share" in w4 else "–",
                said.replace("|", "\\|") or "none",
            ]
        )  # fmt: skip
    head = [
        "", "W3 CPU s", "to W2", "k lines/s", "W4 µs of CPU a line", "CPU of a core",
        "lost, or not hidden",
    ]  # fmt: skip
    return table(head, rows) if rows else ""


def _mixed_fault(w4: dict[str, Any]) -> str:
    fault = w4.get("failed") or w4.get("faults", "none")
    return "none" if fault == "none" else f"W4: {fault}"


def latency_table(results: Results) -> str:
    head = ["", "p50 ms", "p99 ms", "slowest ms", "CPU of a core", "lost", "runs"]
    rows = []
    for name, runs in results.get("latency", {}).items():
        good = [run for run in runs if not run.get("failed")]
        if not good:
            reason = (runs[0]["failed"].splitlines() or [""])[0][:120] if runs else "not run"
            rows.append([name, *["–"] * 5, reason])
            continue
        middle = {
            figure: statistics.median(run[figure] for run in good)
            for figure in ("p50", "p99", "max", "cpu")
        }
        rows.append(
            [
                name, f"{middle['p50']:.1f}", f"{middle['p99']:.1f}", f"{middle['max']:.0f}",
                f"{middle['cpu']:.1%}", f"{sum(run['lost'] for run in good):,}", str(len(good)),
            ]
        )  # fmt: skip
    return table(head, rows)


def many_table(results: Results) -> str:
    """Of 500 containers: what each program takes while they are silent, and while they talk."""
    many = results.get("many")
    if not many:
        return f"Not measured: {results['failed'].get('many', 'it was left out')}"
    head = [
        "", "CPU of a core, idle", "attached after",
        f"µs of CPU a line, {many['containers']} containers", "one container", "ratio", "lost",
    ]  # fmt: skip
    rows = []
    for read, busy in many["busy"].items():
        idle = (f"{many['cpu_idle']:.2%}", f"{many['attached']:.1f} s") if not rows else ("", "")
        name = API if read == "api" else FILES
        costs = [f"{busy[which]['cpu']:.2f}" for which in ("many", "one")]
        faults = busy["many"]["faults"] or "none"
        rows.append([f"**{name}**", *idle, *costs, f"{busy['ratio']:.2f}", faults])
    for name, peer in many["peers"].items():
        if peer.get("failed"):
            rows.append([name, *["–"] * 5, peer["failed"][:120]])
            continue
        all_, one = peer["many"], peer["one"]
        costs = [f"{which['cpu']:.2f}" for which in (all_, one)]
        faults = all_["faults"] or "none"
        ratio = f"{all_['cpu'] / one['cpu']:.2f}" if one["cpu"] else "–"
        rows.append([name, f"{peer['cpu_idle']:.2%}", "", *costs, ratio, faults])
    return table(head, rows)


def other_figures(results: Results) -> str:
    """Bare readers, scrapes, starts: what stands behind some of the goals."""
    lines = []
    for way in results.get("throughput", {}).get("bare reader", {}):
        rate, cpu = (median(results, "bare reader", way, one) for one in ("rate", "cpu"))
        lines.append(
            f"- A bare reader that pauses {way} between reads: {_thousands(rate)} k lines/s, "
            f"{_number(_per_million(results, cpu))} CPU s per million lines."
        )
    lines += [
        f"- `/metrics` of 1,000 containers, {encoding}: {one['megabytes']:.2f} MB, p50 "
        f"{one['p50']:.0f} ms, p99 {one['p99']:.0f} ms; longest stall {one['stall']:.1f} ms, "
        f"of CPU {one['stall_cpu']:.1f} ms; without scrapes {one['stall_idle']:.1f} ms. "
        "No peer here has such a page."
        for encoding in ("gzip", "identity")
        if (one := results.get("scrape", {}).get(encoding))
    ]
    if started := results.get("start"):
        lines.append(
            f"- Start to ready {started['ready']:.2f} s, of which {started['ready_cpu']:.2f} s are "
            f"CPU; import {started['import']:.2f} s, {started['import_cpu']:.2f} s CPU."
        )
    lines += [f"- {part} failed: {reason}" for part, reason in results["failed"].items()]
    return "\n".join(lines)


def about(results: Results) -> str:
    """One run's machine and versions, in a sentence or two."""
    it = results["machine"]
    packages = ", ".join(f"{name} {version}" for name, version in it["packages"].items())
    programs = "; ".join(
        f"{name}: {program['version']}" for name, program in results["programs"].items()
    )
    return (
        f"{results['began']}, it took {results.get('took', 0):,} s; {results['lines']:,} JSON "
        f"lines of {results['length']} bytes in one container. {it['cores']} cores of "
        f"{it['processor']}, {it['memory_gib']} GiB, {it['system']}, Linux {it['kernel']}, "
        f"{it['engine']}; CPython {it['python']}, {packages}. {programs}."
    )


def full(results: Sequence[Results]) -> str:
    parts = [
        "# dockline and its peers",
        "`make bench` wrote this, from `full-*.json` beside it, where every single run is, and "
        "each program's configuration. W1: each line as RFC 5424 over TCP, nothing parsed. W2: "
        "parse the JSON, keep `status == 200 and duration_ms >= 250`, half of the lines, add the "
        "container's name, JSON lines over TCP. W3: the stages of README's route, and all lines "
        "with their fields as JSON over TCP. W4: the same for fifty containers of three kinds that "
        "log 6,000 lines a second together. CPU seconds are the operating system's, per "
        "million lines; lines per second are those while lines arrive. All in turns, medians; a "
        "ratio is to the `docker logs` that ran just before.",
        "## Goals",
        goal_table(results),
        "![Each goal's share](full-goals.png)",
    ]
    for name, one in zip(_columns(results), results, strict=True):
        parts += [
            f"## {name.capitalize()}",
            about(one),
            *(["![CPU and lines per second](full-peers.png)"] if one is results[0] else []),
            peer_table(one) if "throughput" in one else "W1 and W2 were left out.",
            *(["README's route:", route] if (route := route_table(one)) else []),
            "One container of 10,000 lines a second, from Docker's time to the receiver:",
            latency_table(one),
            "Many containers; when they talk, each logs 200 lines a second:",
            many_table(one),
            other_figures(one),
        ]
    return "\n\n".join(part for part in parts if part) + "\n"


def quick(results: Results) -> str:
    return f"# A quick look\n\n{about(results)}\n\n{peer_table(results)}\n"


def _columns(results: Sequence[Results]) -> list[str]:
    names = ("first run", "repeated", "third run", "fourth run")
    return [*names[: len(results)], *(f"run {n + 1}" for n in range(len(names), len(results)))]


def _per_million(results: Results, seconds: float | None) -> float | None:
    return None if seconds is None else seconds / results["lines"] * 1e6


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _thousands(value: float | None) -> str:
    return "–" if value is None else f"{value / 1000:,.0f}"
