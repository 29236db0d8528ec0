"""A sample comes of its seed, its count and the code alone, and is even."""

from __future__ import annotations

from collections import Counter

from tests.mutants.mutation import mutants_of
from tests.mutants.sample import sample

FEW = mutants_of(b"a(x == y)\n")
MANY = mutants_of(b"a(x == y)\n" * 30)
FOUND = {"few": FEW, "many": MANY, "more": MANY}


def test_the_same_seed_gives_the_same_mutants() -> None:
    assert sample(FOUND, 1, 20) == sample(FOUND, 1, 20)
    assert sample(FOUND, 1, 20) != sample(FOUND, 2, 20)


def test_each_module_has_the_same_share_as_far_as_it_goes() -> None:
    chosen = sample(FOUND, 1, 20)
    assert Counter(module for module, _ in chosen) == {"few": 2, "many": 9, "more": 9}


def test_no_mutant_comes_twice_and_there_are_no_more_than_there_are() -> None:
    chosen = sample(FOUND, 1, 1_000)
    assert len(chosen) == len(set(chosen)) == len(FEW) + 2 * len(MANY)


def test_one_module_alone_begins_with_the_same_mutants() -> None:
    shared = [one for module, one in sample(FOUND, 1, 20) if module == "many"]
    assert [one for _, one in sample({"many": MANY}, 1, 9)] == shared
