"""What was found, as a table."""

from __future__ import annotations

from collections.abc import Sequence

from tests.simulation.proof.search import Outcome

LONGEST = 120
"""Characters of a judge's sentence."""


def table(outcomes: Sequence[Outcome]) -> str:
    """A row for each bug."""
    rows = [
        "| bug | what goes wrong | mended by | seed | seeds | CPU | what the judge says |",
        "|---|---|---|--:|--:|--:|---|",
    ]
    return "\n".join([*rows, *map(_row, outcomes)])


def _row(one: Outcome) -> str:
    bug = one.bug
    cells = [
        f"`{bug.name}`",
        bug.what,
        f"`{bug.mended}`" if bug.mended else "",
        str(one.seed or ""),
        str(one.seeds),
        f"{one.seconds:.0f} s",
        one.said[:LONGEST] if one.seed else "not found",
    ]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
