"""Bytes and texts as valid UTF-8: what is not becomes U+FFFD."""

from __future__ import annotations


def utf8(text: str) -> bytes:
    """A text as UTF-8, with U+FFFD for each lone surrogate."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return without_surrogates(text).encode()


def without_surrogates(text: str) -> str:
    """The same text, with U+FFFD for each lone surrogate."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def utf8_lines(lines: list[bytes]) -> list[bytes]:
    """The same lines, or a new list in which bytes that are not UTF-8 are U+FFFD."""
    together = b"\n".join(lines)
    if together.isascii():
        return lines
    try:
        together.decode()
    except UnicodeDecodeError:
        return [line.decode("utf-8", "replace").encode() for line in lines]
    return lines
