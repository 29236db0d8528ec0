"""The figures of a run, as a table, and what is left to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tests.mutants.trial import Outcome

COLUMNS = {
    "own": "killed by its own tests",
    "wider": "by wider ones",
    "time": "by the time limit",
    "equivalent": "equivalent",
    "survived": "survived",
}


def table(outcomes: Sequence[Outcome]) -> str:
    """A row for each module."""
    rows = [
        f"| module | mutants | {' | '.join(COLUMNS.values())} |",
        "|---" * (len(COLUMNS) + 2) + "|",
    ]
    by_module: dict[str, list[Outcome]] = {}
    for one in outcomes:
        by_module.setdefault(one.module, []).append(one)
    rows += [_row(f"`{module}`", of_it) for module, of_it in by_module.items()]
    return "\n".join([*rows, _row("all", outcomes)])


def _row(name: str, outcomes: Sequence[Outcome]) -> str:
    count = Counter(one.how for one in outcomes)
    return f"| {name} | {len(outcomes)} | {' | '.join(str(count[how]) for how in COLUMNS)} |"


def survivors(outcomes: Sequence[Outcome]) -> list[str]:
    """What no test has noticed: each wants a test, or a reason in `equivalent.toml`."""
    return [f"{one.module}:{one.mutant}" for one in outcomes if one.how == "survived"]
