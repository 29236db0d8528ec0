"""Runs the whole agent in simulated worlds, one for each seed, and judges what becomes of it.

python -m tests.simulation --seeds 1000          seeds 1 to 1000
python -m tests.simulation --first 4711          one seed, in which something went wrong
python -m tests.simulation --first 4711 --show   and all that happens in it
python -m tests.simulation --plan plan.json      plans that were saved with --save
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import os
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path

from tests.simulation.plan import END, Plan, made
from tests.simulation.run import Run, play
from tests.simulation.shrink import shrunk

MOST_SMALLER = 3
"""How many plans one process makes smaller, of the hundred that it runs. Where more go wrong, it is
for the same reason."""


def main() -> int:
    """Returns the exit status: 1 if anything is wrong."""
    given = _parser().parse_args()
    warnings.simplefilter("ignore", ResourceWarning)
    gc.disable()
    if given.plan:
        plans = (Plan.from_json(one.read_text()) for one in given.plan)
        runs = ((run := play(plan, told=given.show), _about(run)) for plan in plans)
    else:
        runs = _runs(range(given.first, given.first + given.seeds), given)
    totals, began = Counter[str](), time.monotonic()
    for run, about in runs:
        totals.update(
            seeds=1, lines=run.lines, lives=run.lives, looks=run.looks, steps=run.steps,
            milliseconds=int(run.seconds * 1000), wrong=int(bool(run.wrong)),
        )  # fmt: skip
        if run.wrong:
            print(about, flush=True)
        elif given.seeds <= 20:
            print(
                f"seed {run.plan.seed}: right, {run.steps} steps, {run.seconds:.2f} s", flush=True
            )
        if given.show:
            print("\n".join(map(str, run.timeline)))
    print(_summary(totals, time.monotonic() - began))
    return 1 if totals["wrong"] else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.simulation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--seeds", type=int, default=1, help="how many")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--plan", type=Path, nargs="+", help="plays these plans instead")
    parser.add_argument("--show", action="store_true", help="prints all that happens")
    parser.add_argument("--whole", action="store_true", help="makes no plan smaller")
    parser.add_argument("--save", type=Path, help="a folder for the plans that go wrong")
    return parser


def _runs(seeds: range, given: argparse.Namespace) -> Iterator[tuple[Run, str]]:
    """Runs the seeds, on so many processors, each with what is to be said of it."""
    run = partial(_run, given=given)
    processes = min(given.processes, len(seeds))
    if processes == 1:
        yield from map(run, seeds)
        return
    context = multiprocessing.get_context("fork")
    # A process ends now and then: what CPython keeps of dead worlds goes with it.
    with context.Pool(processes, maxtasksperchild=100) as pool:
        yield from pool.imap_unordered(run, seeds)


_small = count(1)
"""Numbers the plans that this process has made smaller."""


def _run(seed: int, given: argparse.Namespace) -> tuple[Run, str]:
    """A run, and what is to be said of it. The plan is made smaller here: in the parent, the pool's
    threads would be taken for some of the world's."""
    run = play(made(seed), told=given.show)
    if not run.wrong or given.whole or next(_small) > MOST_SMALLER:
        return run, _about(run)
    return run, _about(run) + _smaller(run, given.save)


def _about(run: Run) -> str:
    """What went wrong in a run."""
    return "\n".join([f"seed {run.plan.seed} is WRONG", *(f"  {one}" for one in run.wrong[:10])])


def _smaller(run: Run, save: Path | None) -> str:
    """The steps that it takes for that, and what then happens. They are saved in a folder."""
    kinds = {one.kind for one in run.wrong}
    small = shrunk(run.plan, lambda plan: bool(kinds & {one.kind for one in play(plan).wrong}))
    shown = play(small)
    if save is not None:
        save.mkdir(parents=True, exist_ok=True)
        (save / f"{run.plan.seed}.json").write_text(small.to_json() + "\n")
    lines = [f"\nthe {len(small.steps)} of its {len(run.plan.steps)} steps that it takes:"]
    lines += [f"  {small.setup}", *(f"  {step}" for step in small.steps)]
    lines += ["what happens then:", *(f"  {line}" for line in shown.timeline[:400])]
    lines += [f"  {one}" for one in shown.wrong]
    return "\n".join(lines)


def _summary(totals: Counter[str], seconds: float) -> str:
    seeds = totals["seeds"]
    each = totals["milliseconds"] / 1000 / max(1, seeds)
    return (
        f"{seeds} seeds, {seeds * END / 3600:.0f} simulated hours in {seconds:.0f} s "
        f"({60 * seeds / seconds:.0f} seeds a minute, {each:.2f} CPU seconds each): "
        f"{totals['lives']} starts of agents, {totals['lines']} lines, "
        f"{totals['looks']} audits; {totals['wrong']} went wrong"
    )
