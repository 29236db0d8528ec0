"""Texts of labels in messages: short, printable, and with what was probably meant."""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.support.mistyped import meant


def near(text: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant, if any. Looks at no more than 64 characters."""
    return meant(text[:64], known)


def did_you_mean(text: str, known: Iterable[str]) -> str:
    """The end of a message, with the known word that was probably meant; empty if there is none."""
    word = near(text, known)
    return f'; did you mean "{word}"?' if word is not None else ""


def quoted(text: str) -> str:
    """Any text for a message: `safe`, in quotes."""
    return f'"{safe(text)}"'


def safe(text: str) -> str:
    """Makes any text fit for a log message and a metric: one line, printable, at most 64
    characters."""
    short = text if len(text) <= 64 else text[:63] + "…"
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in short)
