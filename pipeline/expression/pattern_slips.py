"""What regular expressions of other languages have, and what to write in Python's instead."""

from __future__ import annotations

import re
from typing import Final

_SLIPS: Final = (
    (r"\(\?<(\w+)>", "a named group is written (?P<{0}>…), not (?<{0}>…)"),
    (r"\(\?'(\w+)'", "a named group is written (?P<{0}>…), not (?'{0}'…)"),
    (r"(?<!\\)(?:\\\\)*\\z", r"the end of a text is \Z, not \z"),
    (r"(?<!\\)(?:\\\\)*\\h", r"white space is written \s or [ \t], not \h"),
    (
        r"\\[pP]\{?\w",
        r"there is no \p{{…}}; write \w, [^\W\d_] for letters, or a set such as [A-Z]",
    ),
    (
        r"%\{\w+",
        "this is a pattern of grok, %{{NAME:field}}; write (?P<field>…) with what it matches",
    ),
    (r".\(\?[aimsux]+\)", "flags such as (?i) stand at the beginning, or around a part: (?i:…)"),
    (r"^\*", 'a pattern is no glob: write ".*" for "*", and "." for "?"'),
)
"""Each with what to write; `{0}` is the name in it."""


def found_in(text: str) -> str:
    """What to write in a pattern that Python cannot read; empty if nothing in it is known."""
    for slip, hint in _SLIPS:
        if found := re.search(slip, text):
            return hint.format(*found.groups())
    return ""
