"""Columns to one run of bytes, with the same literals between them in each row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline import native
from pipeline.encode.json import quoted


def interleaved(
    loops: native.Loops | None,
    literals: tuple[bytes, ...],
    columns: tuple[native.Column, ...],
    count: int,
) -> bytes | None:
    """First literal, first column's cell, second literal, and so on to the last literal, for each
    of `count` rows, of which there is one at least. No column is of choices.

    Returns None if a column that is one run of bytes has other than `count` cells. Literals do not
    end in a comma.
    """
    if loops is not None and (data := loops.interleave(literals, columns, count)) is not None:
        return data
    width = len(columns)
    arguments: list[Any] = [b""] * (width * count)
    formats = []
    for place, column in enumerate(columns):
        cells: Sequence[Any] = column
        if isinstance(column, tuple):
            texts: tuple[Any, ...] = column
            cells = quoted(texts[0]) if len(texts) == 1 else texts[0].split(texts[1])
            if len(cells) != count:
                return None
        arguments[place::width] = cells
        formats.append(b"%d" if type(cells[0]) is int else b"%b")
    first, *others = (literal.replace(b"%", b"%%") for literal in literals)
    row = first + b"".join([form + other for form, other in zip(formats, others, strict=True)])
    return row * count % tuple(arguments)
