"""What the suite says of its results: goals, tables, plots and README's figures."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks.suite import curves, files, plots, readme, report
from benchmarks.suite.goals import API, FILES, GOALS, best_bare

STEPS = ("w1", "w2", "w3", "fan-out")


def made(cpu: float, ratio: float, rate: float, **changed: Any) -> dict[str, Any]:
    """The record of one run."""
    record = {
        "cpu": cpu, "dockerd_cpu": 5.0, "wall": 4.0, "flow": 3.0, "peak_mib": 60.0,
        "lines": 1_000_000, "came": 1_000_000, "faults": "none", "failed": "", "rate": rate,
        "cpu_ratio": ratio, "rate_ratio": rate / 250_000,
    }  # fmt: skip
    return record | changed


def results(**changed: Any) -> dict[str, Any]:
    """Of a run in which every goal was met."""
    ours = {step: [made(1.0, 0.3, 1e6) for _ in range(3)] for step in STEPS}
    peer = {"w1": [made(4.0, 2.0, 9e4, faults="3 lost, 2 destroyed")], "w2": [made(6, 3, 8e4)]}
    about = {"version": "1", "configuration": {}}
    busy = {"many": {"cpu": 1.2, "faults": ""}, "one": {"cpu": 1.0}, "ratio": 1.2}
    return {
        "run": 1, "began": "2026-11-25T12:00:00Z", "took": 1200, "lines": 1_000_000, "length": 142,
        "machine": {
            "cores": 2, "processor": "a processor", "memory_gib": 24, "system": "Debian",
            "kernel": "6", "engine": "Docker 26", "python": "3.13.5", "packages": {"orjson": "3"},
        },
        "programs": {
            API: about | {"reads": "api"}, FILES: about | {"reads": "file"},
            "rsyslog imdocker": about | {"reads": "api"},
        },
        "absent": {"Vector": "Debian has none"},
        "failed": {},
        "throughput": {
            "docker logs": {"read": [made(2.0, 1.0, 2.5e5)]},
            "bare reader": {"0 ms": [made(1, 1, 2e5)], "0.35 ms": [made(1, 1, 3e5)]},
            API: ours, FILES: ours, "rsyslog imdocker": peer,
        },
        "latency": {
            API: [{"p50": 3.0, "p99": 9.0, "max": 20.0, "cpu": 0.1, "lost": 0}],
            FILES: [{"p50": 3.0, "p99": 9.0, "max": 20.0, "cpu": 0.1, "lost": 0}],
            "rsyslog imdocker": [{"failed": "nothing came"}],
        },
        "start": {"ready": 0.4, "ready_cpu": 0.3, "import": 0.2, "import_cpu": 0.2},
        "scrape": {"p99": 100.0, "stall": 10.0},
        "mixed": {
            FILES: {"cpu": 7.5, "share": 0.045, "faults": "none"},
            "rsyslog imdocker": {"cpu": 9.0, "share": 0.06, "faults": "3 secrets came"},
        },
        "many": {
            "containers": 500, "cpu_idle": 0.005, "cpu_stats": 0.04,
            "kib_idle": 20.0, "kib_stats": 30.0, "attached": 3.0,
            "busy": {"api": busy, "file": busy},
            "peers": {"rsyslog imdocker": {"failed": "0 of 501 attached"}},
        },
    } | changed  # fmt: skip


def row(text: str, of: str) -> list[str]:
    (line,) = (line for line in text.splitlines() if line.startswith(f"| {of}"))
    return [cell.strip() for cell in line.strip("|").split(" | ")]


def test_every_goal_of_a_good_run_is_met() -> None:
    assert [report.verdict(goal, [results()]) for goal in GOALS] == ["met"] * len(GOALS)


def test_a_figure_on_the_wrong_side_of_its_goal_is_missed_whichever_side_that_is() -> None:
    slow = results()
    slow["throughput"][API] = {"w1": [made(1.0, 0.46, 2.8e5)]}
    text = report.goal_table([slow])
    assert row(text, "W1 over the API")[1:] == ["≤ 0.45", "0.46", "**missed**"]
    assert row(text, "Lines per second over the API")[1:] == ["≥ 0.95", "0.93", "**missed**"]


def test_a_goal_that_one_of_two_runs_has_met_is_not_called_met() -> None:
    other = results(start={"ready": 0.7, "import": 0.2})
    cells = row(report.goal_table([results(), other]), "Start to ready")
    assert cells[1:] == ["≤ 0.60 s", "0.40 s", "0.70 s", "met in 1 of 2 runs"]


def test_what_was_not_measured_is_said_to_be_so() -> None:
    cells = row(report.goal_table([results(scrape={})]), "`/metrics` of 1,000 containers, p99")
    assert cells[-2:] == ["–", "not measured"]


def test_the_best_bare_reader_is_the_quickest_of_its_ways() -> None:
    assert best_bare(results()) == 3e5


def test_a_run_that_failed_counts_for_nothing_and_is_told() -> None:
    failing = results()
    failing["throughput"][FILES] = {
        "w1": [made(9, 9, 1, failed="it ended: oh | no"), made(1, 0.3, 1e6)]
    }
    cells = row(report.peer_table(failing), "**dockline, files**")
    assert cells[2] == "1.00"
    assert cells[-1] == r"W1: it ended: oh \| no"


def test_what_a_peer_loses_and_who_was_left_out_stands_in_the_table() -> None:
    text = report.peer_table(results())
    assert row(text, "rsyslog imdocker")[-1] == "W1: 3 lost, 2 destroyed"
    assert row(text, "Vector")[-1] == "Debian has none"


def test_a_peer_that_could_not_do_it_has_the_reason_in_its_row() -> None:
    assert row(report.latency_table(results()), "rsyslog imdocker")[-1] == "nothing came"
    assert row(report.many_table(results()), "rsyslog imdocker")[-1] == "0 of 501 attached"


def test_the_route_of_the_readme_has_a_table_of_its_own() -> None:
    text = report.route_table(results())
    assert row(text, "**dockline, files**")[1:] == ["1.00", "1.00", "1,000", "7.50", "4.5%", "none"]
    assert row(text, "rsyslog imdocker")[-1] == "W4: 3 secrets came"
    assert report.route_table(results(mixed={}, throughput={})) == ""


def test_the_readme_tells_the_route_once_it_was_measured() -> None:
    told = readme.figures([results()])
    assert row(told, "**dockline, files**")[6:8] == ["1.00", "7.5"]
    before = readme.figures([results(mixed={})])
    assert "W3" not in before
    assert len(row(before, "**dockline, files**")) == len(row(told, "**dockline, files**")) - 2


def test_each_run_has_a_part_of_the_report() -> None:
    text = report.full([results(), results(run=2)])
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## Goals",
        "## First run",
        "## Repeated",
    ]


def test_plots_are_drawn_of_one_run_and_of_two(tmp_path: Path) -> None:
    for runs in ([results()], [results(), results(scrape={})]):
        for draw in (plots.peers, plots.goals):
            draw(runs, tmp_path / "plot.png")
            assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_results_are_kept_as_they_were_but_for_digits_that_mean_nothing(tmp_path: Path) -> None:
    files.write(tmp_path / "full-1.json", {"cpu": 1.23456789, "names": ["a"], "none": None})
    assert files.runs(tmp_path) == [{"cpu": 1.23457, "names": ["a"], "none": None}]


def test_the_runs_of_a_folder_are_in_their_order(tmp_path: Path) -> None:
    for run in (10, 2, 1):
        files.write(tmp_path / f"full-{run}.json", {"run": run})
    assert [run["run"] for run in files.runs(tmp_path)] == [1, 2, 10]


def test_the_readme_keeps_its_text_around_the_figures() -> None:
    text = f"before\n{readme.BEGIN}old\n{readme.END}\nafter\n"
    written = readme.rewritten(text, [results()])
    assert written.startswith("before\n")
    assert written.endswith(f"{readme.END}\nafter\n")
    assert "old" not in written
    assert row(written, "**dockline, API**")[2:6] == ["1.00", "0.30", "1.00", "0.30"]
    assert readme.rewritten(written, [results()]) == written


def test_the_readme_has_the_figures_of_the_results() -> None:
    runs = [run for run in files.runs() if "throughput" in run]
    if not runs:
        pytest.skip("there are no results of a full run")
    text = readme.README.read_text()
    assert readme.rewritten(text, runs) == text, "run `python -m benchmarks.suite.readme`"


def test_pictures_that_the_readme_and_the_report_show_are_there() -> None:
    for file in (readme.README, files.FOLDER / "full.md", files.FOLDER / "curves.md"):
        if file.exists():
            for link in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", file.read_text()):
                assert (file.parent / link).exists(), f"{file.name}: {link}"


def test_curves_leave_out_runs_that_failed_and_draw_the_rest(tmp_path: Path) -> None:
    points: curves.Points = {
        API: {1000.0: [{"cpu": 0.1}, {"cpu": 0.3}, {"cpu": 0.2}], 5000.0: [{"failed": 1.0}]}
    }
    panel = curves.panel(curves.AXES["rate"], points)
    assert panel["series"] == {API: [(1000.0, 20.0)]}
    plots.curves({"panels": [panel]}, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    text = report.table(["", "x"], [["a", "b"]])
    assert text == "|  | x |\n| --- | --- |\n| a | b |"
