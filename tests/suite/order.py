"""In what order several workers run the tests: what takes long first, an equal share for each.

`--dist worksteal` gives each worker an equal stretch of the tests, and lets those that are done
take from the end of another's. So each stretch begins with its share of what takes long, module by
module, since a module's tests share their servers; what is left at its end takes no time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import chain, islice

import pytest

from tests.suite.lanes import lane
from tests.suite.workers import worker_count

_SECONDS = {"unit": 0.1, "server": 0.6, "engine": 5.0, "slow": 30.0}
"""What a test takes, on the average."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if workers := worker_count(config):
        items[:] = in_shares(items, workers)


def in_shares(items: list[pytest.Item], workers: int) -> list[pytest.Item]:
    """The same tests, such that of each share, one behind the other and equal in number, about as
    much takes long, and stands at its beginning."""
    modules: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        if lane(item) != "unit":
            modules[item.nodeid.partition("::")[0]].append(item)
    shares: list[list[pytest.Item]] = [[] for _ in range(workers)]
    loads = [0.0] * workers
    for module in sorted(modules.values(), key=_seconds, reverse=True):
        least = loads.index(min(loads))
        shares[least] += module
        loads[least] += _seconds(module)
    units = (item for item in items if lane(item) == "unit")
    for number, share in enumerate(shares):
        size = len(items) * (number + 1) // workers - len(items) * number // workers
        share.extend(islice(units, max(0, size - len(share))))
    return [*chain.from_iterable(shares), *units]


def _seconds(items: Iterable[pytest.Item]) -> float:
    return sum(_SECONDS[lane(item)] for item in items)
