"""Templates, texts with expressions in braces: `{container.name}-{stream}`; `{{` is a brace."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from pipeline.expression.code import Code, Namespace, quote
from pipeline.expression.scope import EntryScope
from pipeline.expression.translate import translate
from pipeline.model.dumps import dumps
from pipeline.model.errors import ConfigError
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
_BRACES: Final = {"{{": "{", "}}": "}"}


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
    if len(text) > MOST_CHARACTERS:
        message = f"the text is longer than {MOST_CHARACTERS} characters"
        raise ConfigError(message, column=MOST_CHARACTERS)
    render = namespace.constant(text_of)
    cleaned = namespace.constant(clean) if clean else ""
    found: list[Code] = []
    position = count = 0
    while position < len(text):
        piece = _PIECE.match(text, position)
        if piece is None:
            raise ConfigError('write "{{" and "}}" for braces that are meant', column=position)
        if piece["expression"] is None:
            plain = re.sub(r"\{\{|\}\}", lambda pair: _BRACES[pair[0]], piece["text"])
            found.append(Code(quote(plain), "text", plain))
        else:
            count += 1
            if count > MOST_PLACEHOLDERS:
                message = f"the text has more than {MOST_PLACEHOLDERS} placeholders"
                raise ConfigError(message, column=position)
            code = _placeholder(piece["expression"], scope, position + 1)
            source = code.source if code.kind == "text" else f"{render}({code.source})"
            found.append(Code(f"{cleaned}({source})" if clean else source, "text"))
        position = piece.end()
    return found or [Code("''", "text", "")]


def _placeholder(expression: str, scope: EntryScope, position: int) -> Code:
    try:
        return translate(expression, scope)
    except ConfigError as error:
        column = None if error.column is None else error.column + position
        raise ConfigError(error.message, column=column) from None


def text_of(value: Any) -> str:
    """A value as text: empty for `MISSING` and None, compact JSON for anything but text."""
    if type(value) is str:
        return value
    if value is MISSING or value is None:
        return ""
    return dumps(value).decode()
