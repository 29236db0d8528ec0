"""Text from containers, made safe for a terminal.

Of the escape sequences only colours are kept, and only where they are wanted; other control
characters but the tab become spaces. So no container can move the cursor, rename the window or
reach the clipboard of whoever is watching.
"""

from __future__ import annotations

import re
from typing import Final

RESET: Final = b"\x1b[0m"
"""Ends colours."""

_ESCAPE: Final = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -~]?)")
"""A control sequence, an operating system command with its text, or a lone escape."""
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0a-\x1a\x1c-\x1f\x7f]|\xc2[\x80-\x9f]")
_SUSPECT: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]|\xc2[\x80-\x9f]")
_COLOUR: Final = re.compile(rb"\x1b\[[0-9;:]*m")

is_suspect: Final = _SUSPECT.search
"""Whether a text has anything that `harmless` changes. Fast, also for many texts joined to one."""


def harmless(text: bytes, *, color: bool) -> bytes:
    """The text on one line, without what could command a terminal.

    `color`: keep its colours, and end them behind it.
    """
    if not is_suspect(text):
        return text
    coloured = color and b"\x1b" in text
    text = _ESCAPE.sub(_colour_only if color else b"", text)
    text = _CONTROL.sub(b" ", text)
    return text + RESET if coloured else text


def _colour_only(found: re.Match[bytes]) -> bytes:
    return found[0] if _COLOUR.fullmatch(found[0]) else b""
