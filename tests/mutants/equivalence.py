"""Mutants that change nothing, or nothing that a test could rely on, each with the reason."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

from tests.mutants.mutation import Mutant

FILE = Path(__file__).with_name("equivalent.toml")
Reasons = Mapping[tuple[str, str, str, str], str]
"""By module, place in it, and its lines before and after: numbers of lines change too often."""


def reasons() -> Reasons:
    listed = tomllib.loads(FILE.read_text())
    return {
        (module, one["in"], one["before"], one["after"]): one["because"]
        for module, mutants in listed.items()
        for one in mutants
    }


def reason(reasons: Reasons, module: str, mutant: Mutant) -> str | None:
    return reasons.get((module, mutant.where, mutant.before, mutant.after))
