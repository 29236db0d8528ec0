"""What becomes of a mutant: killed by its room's tests, by wider ones, by the clock, or not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from queue import SimpleQueue
from typing import Literal, NamedTuple, TypeVar

from tests.mutants.checkout import Checkout, Run
from tests.mutants.mutation import Mutant
from tests.mutants.rooms import ROOMS
from tests.mutants.sample import Chosen

TIMES, AT_LEAST = 4.0, 15.0
"""What tests may take with a mutant: so many times what they take without, and so many seconds."""

Item = TypeVar("Item")
Result = TypeVar("Result")

How = Literal["own", "wider", "time", "survived", "equivalent"]
Tests = tuple[str, ...]


class Outcome(NamedTuple):
    module: str
    mutant: Mutant
    how: How
    by: str = ""
    """The first test that failed, or why it changes nothing."""


class Unmutated:
    """How long tests take as things are, measured when it is first asked for."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._seconds: dict[Tests, float] = {}

    def seconds(self, checkout: Checkout, tests: Tests) -> float:
        """Raises `RuntimeError` where they fail."""
        if tests not in self._seconds:
            run = checkout.run(tests)
            if not run.passed:
                raise RuntimeError(f"without a mutant, {' '.join(tests)} fail:\n{run.output}")
            self._say(f"unmutated: {run.seconds:.1f} s  {' '.join(tests)}")
            self._seconds[tests] = run.seconds
        return self._seconds[tests]


def tried(
    sources: Mapping[str, bytes], chosen: Chosen, unmutated: Unmutated, jobs: int
) -> Iterator[Outcome]:
    """What became of each, as it is known."""

    def one(checkout: Checkout, choice: tuple[str, Mutant]) -> Outcome:
        module, mutant = choice
        changed = mutant.applied_to(sources[module])
        room = ROOMS[module]
        stages: tuple[tuple[How, Tests], ...] = (("own", room.own), ("wider", room.wider))
        for how, stage in stages:
            run = _run(checkout, module, changed, stage, unmutated.seconds(checkout, stage))
            if run.ended:
                return Outcome(module, mutant, "time", f"{run.seconds:.0f} s")
            if not run.passed:
                return Outcome(module, mutant, how, run.by)
        return Outcome(module, mutant, "survived")

    yield from _each(chosen, one, jobs)


def _run(checkout: Checkout, module: str, changed: bytes, tests: Tests, took: float) -> Run:
    """What fails has to fail twice, by itself the second time; and where the time is over, the
    machine may have become slower meanwhile."""
    while True:
        limit = TIMES * took + AT_LEAST
        with checkout.having(module, changed):
            run = checkout.run(tests, limit)
            if run.by and checkout.run((run.by.partition("[")[0],), limit).passed:
                run = checkout.run(tests, limit)
        if not run.ended or (now := checkout.run(tests).seconds) < 2 * took:
            return run
        took = now


def _each(
    items: Sequence[Item], function: Callable[[Checkout, Item], Result], jobs: int
) -> Iterator[Result]:
    """In so many checkouts at once."""
    free: SimpleQueue[Checkout] = SimpleQueue()

    def one(item: Item) -> Result:
        checkout = free.get()
        try:
            return function(checkout, item)
        finally:
            free.put(checkout)

    with ExitStack() as stack:
        checkouts = [stack.enter_context(Checkout()) for _ in range(min(jobs, len(items)))]
        for checkout in checkouts:
            free.put(checkout)
        threads = stack.enter_context(ThreadPoolExecutor(jobs))
        tasks = [threads.submit(one, item) for item in items]
        try:
            for done in as_completed(tasks):
                yield done.result()
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            for checkout in checkouts:
                checkout.stop()
            raise
