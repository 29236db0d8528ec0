"""The table of whole agents has each program's medians, and what was lost."""

from __future__ import annotations

from typing import Any

from benchmarks import whole_report


def run(cpu: float, rate: int = 100_000, faults: str = "none") -> dict[str, Any]:
    return {"cpu": cpu, "rate": rate, "size": 500.0, "faults": faults}


def found(**runs: Any) -> dict[str, Any]:
    return {
        "lines": 1_000_000, "length": 142, "machine": "2 cores",
        "programs": {"dockline": "commit 1", "Fluent Bit": "v9"},
        "absent": {"Vector": "`PEER_VECTOR` was not set"},
        "runs": {"http": runs},
    }  # fmt: skip


def cells(text: str) -> list[str]:
    (line,) = (line for line in text.splitlines() if line.startswith("| `http`"))
    return [cell.strip() for cell in line.strip("|").split(" | ")]


def test_medians_and_their_ratio_are_in_the_row() -> None:
    ours, theirs = [run(2.0), run(1.0), run(9.0)], [run(4.0, 50_000)]
    text = whole_report.report(found(dockline=ours, **{"Fluent Bit": theirs}))
    assert cells(text)[1:] == [
        "2.00 (1.00 to 9.00)", "100", "500", "4.00", "50", "500", "**0.50**", "**2.00**",
        "JSON lines",
    ]  # fmt: skip
    assert "medians of 3" in text and "Fluent Bit: v9" in text


def test_who_did_not_take_part_is_told_with_the_reason() -> None:
    text = whole_report.report(found(dockline=[run(1.0)], **{"Fluent Bit": [run(1.0)]}))
    assert "Vector did not take part: `PEER_VECTOR` was not set." in text


def test_a_run_that_failed_counts_for_nothing_and_is_told() -> None:
    theirs = [{"failed": "no such way"}, {"failed": "no such way"}]
    text = whole_report.report(found(dockline=[run(1.0)], **{"Fluent Bit": theirs}))
    assert cells(text)[4:] == ["–"] * 5 + ["JSON lines; Fluent Bit: no such way"]


def test_what_was_lost_is_told_of_each() -> None:
    ours, theirs = [run(1.0, faults="1 lost")], [run(1.0, faults="2 lost"), run(1.0)]
    text = whole_report.report(found(dockline=ours, **{"Fluent Bit": theirs}))
    assert cells(text)[-1] == "JSON lines; dockline: 1 lost; Fluent Bit: 2 lost"
