"""Looks for a seed that finds a bug: it is wrong with the bug, and right without."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, closing
from queue import SimpleQueue
from typing import NamedTuple

from tests.mutants.checkout import Checkout
from tests.simulation.proof.bugs import Bug, changed
from tests.simulation.proof.seeds import AT_A_TIME, runs


class Outcome(NamedTuple):
    """What came of a search."""

    bug: Bug
    seed: int
    """The seed that finds it; 0 if none did."""
    seeds: int
    """How many were run: those that are right without the bug."""
    seconds: float
    """Of CPU, for all of them."""
    said: str
    """The judge's first sentence."""


class Unchanged:
    """Which seeds are right without a bug. They are run when they are first asked for."""

    def __init__(self, checkout: Checkout, stop: threading.Event) -> None:
        self._tree = checkout.folder / "tree"
        self._stop = stop
        self._known: dict[range, list[int]] = {}
        self._lock = threading.Lock()

    def right(self, seeds: range) -> list[int]:
        """Those of the seeds that are."""
        with self._lock:
            if seeds not in self._known:
                found = list(runs(self._tree, seeds, self._stop))
                self._known[seeds] = [run.seed for run in found if not run.wrong]
            return self._known[seeds]


def searched(
    bugs: Sequence[Bug], first: int, count: int, processes: int, say: Callable[[str], None]
) -> Iterator[Outcome]:
    """What came of the search for each, as it is known."""
    sources = {bug.name: changed(bug) for bug in bugs}
    free: SimpleQueue[Checkout] = SimpleQueue()
    stop = threading.Event()

    def one(bug: Bug) -> Outcome:
        checkout = free.get()
        try:
            return _search(checkout, bug, sources[bug.name], unchanged, first, count, stop, say)
        finally:
            free.put(checkout)

    with ExitStack() as stack:
        unchanged = Unchanged(stack.enter_context(Checkout()), stop)
        for _ in range(min(processes, len(bugs))):
            free.put(stack.enter_context(Checkout()))
        threads = stack.enter_context(ThreadPoolExecutor(processes))
        tasks = [threads.submit(one, bug) for bug in bugs]
        try:
            for done in as_completed(tasks):
                yield done.result()
        except BaseException:
            stop.set()
            threads.shutdown(wait=False, cancel_futures=True)
            raise


def _search(
    checkout: Checkout,
    bug: Bug,
    sources: Mapping[str, str],
    unchanged: Unchanged,
    first: int,
    count: int,
    stop: threading.Event,
    say: Callable[[str], None],
) -> Outcome:
    tried, seconds = 0, 0.0
    with ExitStack() as stack:
        for path, source in sources.items():
            stack.enter_context(checkout.having(path, source.encode()))
        tree = checkout.folder / "tree"
        for start in range(first, first + count, AT_A_TIME):
            seeds = range(start, min(start + AT_A_TIME, first + count))
            with closing(runs(tree, unchanged.right(seeds), stop)) as every:
                for run in every:
                    tried, seconds = tried + 1, seconds + run.seconds
                    if run.wrong:
                        say(f"{bug.name}: seed {run.seed}, {seconds:.0f} s: {run.wrong}")
                        return Outcome(bug, run.seed, tried, seconds, run.wrong)
    say(f"{bug.name}: not found by {tried} seeds, {seconds:.0f} s")
    return Outcome(bug, 0, tried, seconds, "")
