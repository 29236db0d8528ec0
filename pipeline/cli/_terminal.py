"""Prints for people: colours where they are wanted, and problems of a configuration."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Literal, TextIO

from pipeline.config import Problem

Colour = Literal["red", "yellow", "green", "bold", "dim"]
_CODES: dict[Colour, int] = {"red": 31, "yellow": 33, "green": 32, "bold": 1, "dim": 2}


def colours(stream: TextIO) -> Callable[[Colour, str], str]:
    """The function that colours text for a stream: `paint("red", text)`.

    It returns the text unchanged if the stream is no terminal, or if the user doesn't want colours
    (https://no-color.org).
    """
    if not stream.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return lambda colour, text: text
    return lambda colour, text: f"\x1b[{_CODES[colour]}m{text}\x1b[0m"


def printable(text: str) -> str:
    """A text of unknown origin, safe to print on one line.

    White space becomes a space, other control characters U+FFFD.
    """
    return text if text.isprintable() else "".join(map(_printable, text))


def _printable(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character.isspace() else "\ufffd"


def print_problems(
    problems: Sequence[Problem], file: str, stream: TextIO, *, warning: bool = False
) -> None:
    """Prints each problem with its place in the file and an excerpt, then how many there are.

    `file`: its name as the user wrote it. `warning`: whether they are warnings and no errors.
    """
    paint = colours(stream)
    colour: Colour = "yellow" if warning else "red"
    for problem in problems:
        head, *excerpt = problem.lines(file, "warning" if warning else "")
        print(paint("bold", head), file=stream)
        for line in excerpt:
            print(paint(colour, line) if line is excerpt[-1] else line, file=stream)
    noun = "warning" if warning else "error"
    if len(problems) > 1:
        print(paint(colour, f"{len(problems)} {noun}s"), file=stream)
