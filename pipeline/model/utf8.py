"""Makes bytes and texts valid UTF-8. Invalid parts become U+FFFD."""

from __future__ import annotations


def utf8(text: str) -> bytes:
    """The text as UTF-8, with U+FFFD for each lone surrogate."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return without_surrogates(text).encode()


def without_surrogates(text: str) -> str:
    """The text with U+FFFD for each lone surrogate."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def utf8_lines(lines: list[bytes]) -> list[bytes]:
    """The lines with U+FFFD for invalid bytes. Returns the same list if all lines are valid."""
    together = b"\n".join(lines)
    if together.isascii():
        return lines
    try:
        together.decode()
    except UnicodeDecodeError:
        return [line.decode("utf-8", "replace").encode() for line in lines]
    return lines
