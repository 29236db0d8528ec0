"""Helpful messages for text that is not TOML, made from those of `tomllib`."""

from __future__ import annotations

import re

from pipeline.config.hints.other_formats import recognised
from pipeline.config.hints.slips import slip
from pipeline.config.locate import first_repeated, last_statement
from pipeline.config.problems import Problem, dotted

_SENTENCES = (
    ("Expected newline or end of document", "something follows a value on its line", "text"),
    ("Invalid value", "this is no value", "text"),
    ("Unterminated string", "a string is not closed", ""),
    ("Expected \"'", "a string is not closed", ""),
    ("Illegal character '\\n'", "a string is not closed on its line", ""),
    ("Found invalid character", "a control character", ""),
    ("Illegal character", "a control character", "write it as an escape, such as \\t"),
    ("Unescaped '\\'", "a backslash means something in double quotes", "backslash"),
    ("Unclosed array", "an array is not closed", "a ] is missing"),
    ("Unclosed inline table", "a table in braces is not closed", "a } is missing"),
    ("Expected ']'", "a table's header is not closed", "a ] is missing"),
    ("Expected '='", "a key without a value", "write key = value"),
    ("Invalid initial character for a key", "a key is expected here", "key"),
    ("Invalid statement", "a key or a [table] is expected here", ""),
    ("Exceeds the limit", "a number has too many digits", ""),
    ("Invalid date", "there is no such date or time", ""),
    ("Escaped character is not", "an escape stands for no character", ""),
)
_HINTS = {
    "text": 'put text in quotes, such as "16MiB"',
    "braces": "a table in braces stands on one line",
    "backslash": "double it, or put the string in single quotes",
    "key": "letters, digits, - and _, or any text in quotes; no comma after the last key",
}


def explain(text: str, message: str) -> Problem:
    """The problem that `tomllib` found in `text`, made from its error message.

    tomllib stops at the first problem, so there is only one. The excerpt has at most the key or the
    header: without TOML's quotation marks, any other part of the line may be a secret.
    """
    if (other := recognised(text)) is not None:
        return other
    if message.startswith(("Cannot ", "Duplicate ")):
        return _repeated(text, message)
    sentence, hint = next(
        ((sentence, hint) for start, sentence, hint in _SENTENCES if message.startswith(start)),
        ("this is not TOML", ""),
    )
    found = re.search(r"\(at line (\d+), column (\d+)\)", message)
    if found is None:  # at the end of the document: show where the statement began
        return Problem(sentence, line=last_statement(text)[0], hint=_HINTS.get(hint, hint))
    line, column = int(found[1]), int(found[2])
    whole = text.split("\n")[line - 1]
    if (found_slip := slip(message, whole[column - 1 :], whole[: column - 1])) is not None:
        sentence, hint = found_slip
    if hint == "key" and not whole[column - 1 :].strip():
        hint = "braces"
    begins = last_statement(text)
    alone = begins[0] == line and not whole[: begins[1]].strip()
    excerpt = _beginning(whole) if alone else ""
    end = len(excerpt)
    start = min(column - 1, end)
    mark = (start, start + 1)
    return Problem(sentence, line=line, hint=_HINTS.get(hint, hint), excerpt=excerpt, mark=mark)


def _repeated(text: str, message: str) -> Problem:
    if found := first_repeated(text):
        path, first, again = found
        noun = "table" if again.key.startswith("[") else "key"
        sentence = f"this {noun} stands in the file twice; the first is in line {first.line}"
        mark = (0, len(again.key))
        return Problem(sentence, dotted(path), again.line, excerpt=again.key, mark=mark)
    place = re.search(r"\(at line (\d+)", message)
    line = int(place[1]) if place else last_statement(text)[0]
    return Problem("this was defined before, in another form", line=line)


def _beginning(line: str) -> str:
    """The key or the header at the beginning of a line; empty if there is none."""
    found = _STATEMENT.match(line)
    return "" if found is None else f"{found[1]}…" if found[1] else found[0]


_STATEMENT = re.compile(
    r"([ \t]*[A-Za-z0-9_-]+(?:[ \t]*\.[ \t]*[A-Za-z0-9_-]+)*[ \t]*=[ \t]*)"
    r"|[ \t]*\[\[?[A-Za-z0-9_. \t-]+"
)
