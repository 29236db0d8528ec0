"""Bugs to be put into the code, as the TOML files beside this one have them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

HERE = Path(__file__).parent
ROOT = HERE.parents[2]


class Replacement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A change of one file."""

    file: str
    before: str
    """Occurs once in the file."""
    after: str


class Bug(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is wrong in a changed tree."""

    name: str
    what: str
    """What goes wrong, in a sentence."""
    replace: list[Replacement]
    mended: str = ""
    """The commit that mended it; empty for one that was never made."""


class _File(msgspec.Struct, forbid_unknown_fields=True):
    bug: list[Bug]


class DoesNotApply(Exception):
    """What is to be replaced does not occur once: the code has changed."""


def all_bugs() -> list[Bug]:
    """Those of the past first."""
    files = (HERE / "past.toml", HERE / "mutants.toml")
    return [one for file in files for one in msgspec.toml.decode(file.read_bytes(), type=_File).bug]


def changed(bug: Bug, root: Path = ROOT) -> Mapping[str, str]:
    """The files that a bug changes, by their paths below `root`, with the bug in them. Raises
    `DoesNotApply`."""
    texts: dict[str, str] = {}
    for one in bug.replace:
        text = texts.get(one.file) or (root / one.file).read_text()
        if (count := text.count(one.before)) != 1:
            said = f"{bug.name}: this occurs {count} times in {one.file}:\n{one.before}"
            raise DoesNotApply(said)
        texts[one.file] = text.replace(one.before, one.after)
    return texts
