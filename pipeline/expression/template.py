"""Templates, texts with expressions in braces: `{container.name}-{stream}`; `{{` is a brace."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from pipeline.expression.code import Code, Namespace, quote
from pipeline.expression.scope import EntryScope
from pipeline.expression.translate import translate
from pipeline.model.dumps import dumps
from pipeline.model.errors import ConfigError, Unquoted
from pipeline.model.records import MISSING

MOST_CHARACTERS: Final = 8192
"""Most characters of a template."""
MOST_PLACEHOLDERS: Final = 100
"""Most placeholders of a template."""

_PIECE: Final = re.compile(
    r"""(?P<text>(?:[^{}]|\{\{|\}\})+)
      | \{ (?P<expression> (?: "(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*' | [^{}"'] )* ) \}""",
    re.VERBOSE | re.DOTALL,
)
_JSON_FIELD: Final = re.compile(r'\s*"[^"]*"\s*:')
"""Matches what stands behind a brace of JSON, and is no expression."""


class Piece(NamedTuple):
    """A part of a template: plain text, or a placeholder."""

    position: int
    """Its column in the template."""
    text: str
    """What stands there, with doubled braces; of a placeholder its expression."""
    is_expression: bool

    @property
    def plain(self) -> str:
        """The text without doubled braces."""
        return self.text.replace("{{", "{").replace("}}", "}")


def has_placeholders(text: str) -> bool:
    """Whether a text contains a brace, so that it must be compiled as a template."""
    return "{" in text or "}" in text


def placeholders(text: str) -> list[tuple[int, str]]:
    """The column and text of each expression in a valid template."""
    return [
        (found.start("expression"), found["expression"])
        for found in _PIECE.finditer(text)
        if found["expression"] is not None
    ]


def pieces(
    text: str,
    namespace: Namespace,
    scope: EntryScope,
    clean: Callable[[str], str] | None = None,
) -> list[Code]:
    """The code of each part of a template, whose value is a text; at least one part.

    `clean` is applied to the values of expressions. Raises `ConfigError`, with the column, for an
    invalid template or expression.
    """
    render = namespace.constant(text_of)
    cleaned = namespace.constant(clean) if clean else ""
    found: list[Code] = []
    for piece in scan(text):
        if piece.is_expression:
            code = placeholder(piece, scope)
            source = code.source if code.kind == "text" else f"{render}({code.source})"
            found.append(Code(f"{cleaned}({source})" if clean else source, "text"))
        else:
            found.append(Code(quote(piece.plain), "text", piece.plain))
    return found or [Code("''", "text", "")]


def scan(text: str) -> Iterator[Piece]:
    """The parts of a template, in order. Raises `ConfigError`, with the column, for a brace that
    makes no sense, and for a template beyond the limits."""
    if len(text) > MOST_CHARACTERS:
        message = f"the text is longer than {MOST_CHARACTERS} characters"
        raise ConfigError(message, column=MOST_CHARACTERS)
    position = count = 0
    while position < len(text):
        found = _PIECE.match(text, position)
        if found is None:
            raise ConfigError('write "{{" and "}}" for braces that are meant', column=position)
        if found["expression"] is None:
            yield Piece(position, found["text"], False)
        else:
            count += 1
            if count > MOST_PLACEHOLDERS:
                message = f"the text has more than {MOST_PLACEHOLDERS} placeholders"
                raise ConfigError(message, column=position)
            yield Piece(position, found["expression"], True)
        position = found.end()


def placeholder(piece: Piece, scope: EntryScope) -> Code:
    """The code of a placeholder's expression. Raises `ConfigError`, with the column in the
    template, for an invalid one."""
    try:
        return translate(piece.text, scope)
    except ConfigError as error:
        if _JSON_FIELD.match(piece.text):
            message = 'braces of JSON are doubled, "{{" and "}}"; a single pair is for a value'
            raise Unquoted(message, column=piece.position) from None
        column = None if error.column is None else error.column + piece.position + 1
        raise ConfigError(error.message, column=column) from None


def text_of(value: Any) -> str:
    """A value as text: empty for `MISSING` and None, compact JSON for anything but text."""
    if type(value) is str:
        return value
    if value is MISSING or value is None:
        return ""
    return dumps(value).decode()
