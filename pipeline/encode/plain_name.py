"""Names that most systems accept, such as those of topics and streams."""

from __future__ import annotations

import re
from typing import Final

LONGEST: Final = 128
"""Characters of a name."""

_NOT_PLAIN: Final = re.compile(r"[^A-Za-z0-9_.-]")


def plain_name(text: str) -> str:
    """The text as a name: its first `LONGEST` characters, `_` for all but ASCII letters, digits,
    `_`, `.` and `-`. The name of an empty text is `_`, too."""
    return _NOT_PLAIN.sub("_", text[:LONGEST]) or "_"
