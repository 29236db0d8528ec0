"""Whether each hot loop is within its budget: no regression goes unnoticed.

    python -m benchmarks.check [LOOP ...] [--budgets FILE]

A loop's cost is its CPU time per line, as a multiple of that of a calibration loop over the same
lines, measured in turn with it. The least of many short rounds is taken: what else the machine does
only ever adds. A loop that is over is measured again, up to three times, each in a process of its
own, before that is believed. Exit code 1
with a line for each loop that is over its budget (`budgets.toml`).
"""

from __future__ import annotations

import argparse
import gc
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.loops import Loop, calibration, lines, loops
from pipeline import native

BUDGETS = Path(__file__).parent / "budgets.toml"
ROUNDS, AGAIN = 60, 3


@dataclass(frozen=True)
class Checked:
    """One loop, as it was measured, and what it may cost."""

    name: str
    cost: float
    budget: float

    @property
    def over(self) -> bool:
        return self.cost > self.budget

    def __str__(self) -> str:
        share = self.cost / self.budget
        told = f"OVER by {share - 1:.0%}" if self.over else f"{share:.0%} of it"
        return f"{self.name:12} {self.cost:8.2f} calibration loops, budget {self.budget:g}: {told}"


def check(
    loops: Iterable[Loop],
    budgets: Mapping[str, float],
    again: Callable[[str], float] | None = None,
) -> list[Checked]:
    """`again` measures a loop that is over once more. Raises `KeyError` for one without budget."""
    texts = lines()
    found = []
    for loop in loops:
        result = Checked(loop.name, measured(loop, texts), budgets[loop.name])
        for _ in range(AGAIN if again else 0):
            if result.over:
                result = replace(result, cost=min(result.cost, again(loop.name)))
        found.append(result)
    return found


def in_a_new_process(name: str) -> float:
    """Where memory lies differs from process to process, and makes up to a third of some loops."""
    command = [sys.executable, "-m", "benchmarks.check", "--measure", name]
    return float(subprocess.check_output(command, cwd=BUDGETS.parent.parent))


def measured(loop: Loop, texts: Sequence[bytes], rounds: int = ROUNDS) -> float:
    """Its cost, in calibration loops."""
    plain = ours = float("inf")
    gc.collect()
    gc.disable()  # it comes when it likes; what it costs is in `docs/explain/performance.md`
    try:
        for _ in range(rounds):
            plain = min(plain, _seconds(lambda: calibration(texts)))
            ours = min(ours, _seconds(loop.call))
    finally:
        gc.enable()
    return (ours / loop.units) / (plain / len(texts))


def _seconds(call: Callable[[], object]) -> float:
    began = time.thread_time()
    call()
    return time.thread_time() - began


def read(
    file: Path,
    version: tuple[int, int] = sys.version_info[:2],
    *,
    in_c: bool | None = None,
) -> dict[str, float]:
    """The budgets for an interpreter; for one that has none, those of the newest. `in_c`: with the
    C extension; by default, as it runs here."""
    tables = tomllib.loads(file.read_text())
    ours = tables.pop("in C", {})
    newest = max(tables, key=lambda name: tuple(map(int, name.split("."))))
    name = "{}.{}".format(*version)
    budgets = dict(tables.get(name, tables[newest]))
    if native.loops is not None if in_c is None else in_c:
        budgets |= ours.get(name, ours.get(newest, {}))
    return budgets


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("loops", nargs="*", metavar="LOOP", help="default: all")
    parser.add_argument("--budgets", type=Path, default=BUDGETS)
    parser.add_argument("--measure", metavar="LOOP", help="print the cost of one, and no more")
    options = parser.parse_args(arguments)
    if options.measure:
        (loop,) = (loop for loop in loops() if loop.name == options.measure)
        print(measured(loop, lines()))
        return 0
    wanted = [loop for loop in loops() if not options.loops or loop.name in options.loops]
    print(f"{native.described}:")
    results = check(wanted, read(options.budgets), in_a_new_process)
    print("\n".join(map(str, results)))
    over = [result.name for result in results if result.over]
    if over:
        print(f"over budget: {', '.join(over)}", file=sys.stderr)
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
