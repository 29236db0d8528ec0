"""Templates of JSON: `{{"text": "{container.name}: {message}", "fields": {{"n": {status}}}}}`.

A placeholder in a string gives text, escaped as JSON wants it. Outside of a string it gives a JSON
value: a text with its quotes, a number, a list, an object, and `null` for what is missing. There,
`{fields}` is an object of all parsed fields. Whatever the values are, the result is JSON of the
same form, on one line; so whether it is valid is known without any entry.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final, Literal, NamedTuple

import msgspec

from pipeline.expression.code import Code, Namespace, quote
from pipeline.expression.scope import EntryScope
from pipeline.expression.template import Piece, placeholder, scan, text_of
from pipeline.model.dumps import dumps
from pipeline.model.errors import Unquoted
from pipeline.model.records import MISSING

Place = Literal["text", "string", "value"]
"""Where a placeholder stands: in text that is no JSON, in a JSON string, or where a JSON value
stands."""

ENTRIES: Final = "entries"
"""The placeholder of `read_wrapper`."""

FIELDS: Final = "fields"
"""The placeholder of all fields."""

DEEPEST: Final = 100
"""Levels of objects and arrays at most."""
_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*+"?', re.DOTALL)

_WORDS: Final = {
    "Expecting property name enclosed in double quotes": "the name of a field, in double quotes, "
    "is missing",
    "Expecting ':' delimiter": 'a ":" is missing',
    "Expecting ',' delimiter": 'a "," is missing',
    "Expecting value": "a value is missing",
    "Extra data": "the JSON has ended before this",
    "Unterminated string starting at": "this string does not end",
    "Invalid control character at": r'a line break or tab in a string is written "\n" or "\t"',
}
"""What Python's reader of JSON says, in plain words."""


class _Parts(NamedTuple):
    pieces: list[tuple[Piece, bool]]
    """Each part, and whether it is a placeholder in a string."""
    form: str
    """The JSON, with null for each placeholder that gives a value, and nothing for the others."""
    columns: list[int]
    """Of each character of `form`, its column in the template."""


def looks_like_json(template: str) -> bool:
    """Whether a template begins as a JSON object, array or string does."""
    first = next(scan(template), None)
    return first is not None and not first.is_expression and _begins_json(first)


def looks_like_text(template: str) -> bool:
    """Whether a template begins with what no JSON begins with, as `text: {message}` does."""
    first = next(scan(template), None)
    return first is not None and not first.is_expression and not _begins_json(first)


def _begins_json(first: Piece) -> bool:
    return first.plain.lstrip()[:1] in ("{", "[", '"')


def check_json(template: str) -> list[tuple[Piece, bool]]:
    """The parts of a template of JSON, and of each whether it is a placeholder in a string.

    Raises `ConfigError`, with the column, if no entry can make JSON of it.
    """
    parts = _parts(template)
    if _is_too_deep(parts.form):
        raise Unquoted("this JSON is nested too deeply", column=0)
    try:
        json.loads(parts.form, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        words = _WORDS.get(error.msg, error.msg[:1].lower() + error.msg[1:])
        column = (*parts.columns, len(template))[min(error.pos, len(parts.columns))]
        raise Unquoted(f"this is never JSON: {words}", column=column) from None
    except ValueError:
        raise Unquoted("JSON has neither NaN nor Infinity", column=0) from None
    return parts.pieces


def _is_too_deep(form: str) -> bool:
    """Whether more than `DEEPEST` brackets are open at once. How many Python's reader of JSON can
    take depends on its version."""
    depth = 0
    for bracket in re.findall(r"[\[{}\]]", _STRING.sub("", form)):
        depth += 1 if bracket in "[{" else -1
        if depth > DEEPEST:
            return True
    return False


def compiled_json(template: str, scope: EntryScope) -> Code:
    """The code of a template of JSON, whose value is JSON text on one line.

    Raises `ConfigError`, with the column, for an invalid template or expression.
    """
    found = []
    for piece, in_string in check_json(template):
        if piece.is_expression:
            found.append(_value(piece, scope, in_string))
        else:
            found.append(quote(_on_one_line(piece.plain)))
    return Code(f"''.join(({', '.join(found)},))", "text")


class Wrapper(NamedTuple):
    """What stands around the entries of a request."""

    before: str
    after: str
    place: Place
    """Where the entries stand."""


def read_wrapper(template: str, *, is_json: bool) -> Wrapper:
    """Reads what stands around `{entries}`. Raises `ConfigError`, with the column, where that
    stands not exactly once, anything else stands in braces, or it is never JSON and has to be."""
    pieces = check_json(template) if is_json else [(piece, False) for piece in scan(template)]
    found = [(number, pair) for number, pair in enumerate(pieces) if pair[0].is_expression]
    for _, (piece, _) in found:
        if piece.text.strip() != ENTRIES:
            message = "only {entries} can stand here, since this is written once for many entries"
            raise Unquoted(message, column=piece.position)
    if len(found) != 1:
        column = found[1][1][0].position if found else None
        raise Unquoted("{entries} has to stand here, once", column=column)
    ((number, (_, in_string)),) = found
    texts = [piece.plain for piece, _ in pieces]
    before, after = "".join(texts[:number]), "".join(texts[number + 1 :])
    place: Place = ("string" if in_string else "value") if is_json else "text"
    return Wrapper(before, after, place)


def inside(value: Any) -> str:
    """A value as text, escaped for the inside of a JSON string."""
    return dumps(text_of(value))[1:-1].decode()


def whole(value: Any) -> str:
    """A value as JSON; null for what is missing."""
    return "null" if value is MISSING else dumps(value).decode()


def all_of(fields: Any) -> str:
    """The fields of an entry, a dictionary or a record, as a JSON object."""
    try:
        return dumps(fields if type(fields) is dict else msgspec.to_builtins(fields)).decode()
    except RecursionError:  # of a record: nested too deeply for JSON
        return "{}"


def _parts(template: str) -> _Parts:
    pieces: list[tuple[Piece, bool]] = []
    form: list[str] = []
    columns: list[int] = []
    in_string = escaped = False
    for piece in scan(template):
        pieces.append((piece, in_string))
        if piece.is_expression:
            if escaped:
                message = "this is never JSON: behind a backslash a placeholder cannot stand"
                raise Unquoted(message, column=piece.position)
            if not in_string:
                form.append("null")
                columns += [piece.position] * 4
            continue
        for found in re.finditer(r"\{\{|\}\}|.", piece.text, re.DOTALL):
            character = found[0][0]
            if in_string:
                in_string = escaped or character != '"'
                escaped = character == "\\" and not escaped
            else:
                in_string = character == '"'
            form.append(character)
            columns.append(piece.position + found.start())
    return _Parts(pieces, "".join(form), columns)


def _value(piece: Piece, scope: EntryScope, in_string: bool) -> str:
    """The code of a placeholder; written once for a batch where its value is the same for all of
    it."""
    if piece.text.strip() == FIELDS and not in_string:
        return f"{scope.namespace.constant(all_of)}({scope.all_fields().source})"
    alone = EntryScope(Namespace())
    placeholder(piece, alone)
    write = scope.namespace.constant(inside if in_string else whole)
    source = f"{write}({placeholder(piece, scope).source})"
    return scope.once(Code(source, "text")).source if alone.is_constant else source


def _on_one_line(text: str) -> str:
    """Line breaks of a valid JSON text stand between its parts, and mean nothing."""
    return re.sub(r"\s*[\r\n]\s*", " ", text)


def _refuse(constant: str) -> Any:
    raise ValueError(constant)
