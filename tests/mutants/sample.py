"""Which mutants are tried, as a pure function of the seed, the count and the sources."""

from __future__ import annotations

import random
from collections.abc import Mapping

from tests.mutants.mutation import Mutant

Chosen = list[tuple[str, Mutant]]
"""Module, as a path in the tree, and mutant."""


def sample(found: Mapping[str, list[Mutant]], seed: int, count: int) -> Chosen:
    """As many of each module as there are, or as its share is; by module, then by place."""
    shuffled = {}
    for module, mutants in found.items():
        shuffled[module] = list(mutants)
        # The choice in one module does not depend on what the others have.
        random.Random(f"{seed} {module}").shuffle(shuffled[module])
    chosen: Chosen = []
    while len(chosen) < count and any(shuffled.values()):
        for module, mutants in shuffled.items():
            if mutants and len(chosen) < count:
                chosen.append((module, mutants.pop()))
    return sorted(chosen)
