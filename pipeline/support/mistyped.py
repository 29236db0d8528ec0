"""Finds the name that was meant when one is mistyped."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def meant(text: str, known: Iterable[str]) -> str | None:
    """The name in `known` that is most like `text`; None if none is.

    Case is ignored, and `-` is the same as `_`. Takes time that is quadratic in the length of
    `text`.
    """
    by_look = {_look(name): name for name in known}
    found = difflib.get_close_matches(_look(text), by_look, n=1)
    return by_look[found[0]] if found else None


def _look(text: str) -> str:
    return text.lower().replace("-", "_")
