"""Quotes a user's text for a message or a hint, as it could be written in an expression."""

from __future__ import annotations

import json


def quoted(value: object, limit: int = 60) -> str:
    """A text in double quotes, on one line, of at most `limit` characters; other values as in
    Python.

    Control characters are escaped, since they could write anywhere on a terminal.
    """
    if not isinstance(value, str):
        return repr(value)
    text = value if len(value) <= limit else value[: limit - 1] + "…"
    written = json.dumps(text, ensure_ascii=False)
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in written)
