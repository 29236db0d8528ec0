"""What somebody meant who has mistyped a name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def meant(text: str, known: Iterable[str]) -> str | None:
    """The known name that is most like `text`, if one is; letters may be of either case, and `-`
    is as good as `_`. Takes time that grows with the square of the text."""
    by_look = {_look(name): name for name in known}
    found = difflib.get_close_matches(_look(text), by_look, n=1)
    return by_look[found[0]] if found else None


def _look(text: str) -> str:
    return text.lower().replace("-", "_")
