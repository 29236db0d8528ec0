"""How far a partition is settled."""

from __future__ import annotations

import random

from pipeline.transport.kafka.progress import Progress


def test_a_gap_waits() -> None:
    progress = Progress(5, 5)
    first, second, third = (progress.take(until) for until in (7, 8, 20))
    assert (progress.taken, progress.settled, progress.waiting) == (20, 5, 3)
    progress.end(third, settled=True)
    progress.end(second, settled=True)
    assert progress.settled == 5 and not progress.idle and progress.waiting == 1
    progress.end(first, settled=True)
    assert progress.settled == 20 and progress.idle


def test_what_is_given_up_holds_up_all_behind_it() -> None:
    progress = Progress(0)
    first = progress.take(1)
    progress.skip(2)
    progress.end(first, settled=False)
    assert (progress.settled, progress.given_up, progress.waiting) == (0, 1, 0)
    assert not progress.idle


def test_in_whatever_order_things_settle_it_is_what_comes_before_the_first_open_one() -> None:
    for seed in range(50):
        chance = random.Random(seed)
        progress = Progress(0)
        pending = {until: progress.take(until) for until in range(1, 30)}
        for until in chance.sample(sorted(pending), len(pending)):
            progress.end(pending.pop(until), settled=True)
            assert progress.settled == (min(pending) - 1 if pending else 29)
