"""From text to a syntax tree of bounded size. What the tree may hold is decided in `translate`."""

from __future__ import annotations

import ast
import re
import warnings
from typing import Final

from pipeline.errors import ConfigError

MOST_CHARACTERS: Final = 8192
MOST_NODES: Final = 2000
DEEPEST: Final = 32
"""Levels of nesting. Each becomes at most four brackets of generated code; CPython reads 200."""

_SLIPS: Final = (
    (r"&&", 'write "and" for "&&"'),
    (r"\|\|", 'write "or" for "||"'),
    (r"!(?!=)", 'write "not" for "!"'),
    (r"(?<![=!<>:])=(?![=~])", 'write "==" to compare'),
    (r"=~|~", 'write matches(text, r"…") for a regular expression'),
)
"""What users of other languages write, and what it is here."""


class Source:
    """The text of an expression, and the places in it that its tree tells of."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._rows = ("[" + text).encode("utf-8", "surrogatepass").split(b"\n")

    def column(self, row: int, offset: int) -> int:
        """Characters before a place given as the parser does: row from 1, offset in bytes."""
        before = [*self._rows[: row - 1], self._rows[row - 1][:offset]]
        return len(b"\n".join(before).decode("utf-8", "replace")) - 1

    def is_written(self, name: str, node: ast.expr) -> bool:
        """Whether the name that a node ends with stands there in these letters. Python takes other
        letters for them too, such as full-width ones."""
        row = self._rows[(node.end_lineno or 1) - 1]
        return row[: node.end_col_offset].endswith(name.encode())

    def error(self, message: str, node: ast.expr) -> ConfigError:
        return ConfigError(message, column=self.column(node.lineno, node.col_offset))


def parse(source: Source) -> ast.expr:
    """The tree of exactly one expression, which may go over several lines.

    Raises `ConfigError` for all else, and for what is too long, too large or too deep.
    """
    text = source.text
    if len(text) > MOST_CHARACTERS:
        raise ConfigError(f"the expression is longer than {MOST_CHARACTERS} characters")
    if not text.strip():
        raise ConfigError("the expression is empty")
    node = _only_item(_tree(source), source)
    _measure(node, source)
    return node


def _tree(source: Source) -> ast.expr:
    """The text between brackets, as Python reads it. Within them a line may end anywhere."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return ast.parse(f"[{source.text}\n]", mode="eval").body
    except (RecursionError, MemoryError):
        raise ConfigError("the expression is nested too deeply") from None
    except SyntaxError as error:
        raise _unreadable(source, error) from None
    except ValueError:  # a NUL, half a surrogate pair, or a number of thousands of digits
        raise ConfigError("the expression holds a character or number that cannot be") from None


def _unreadable(source: Source, error: SyntaxError) -> ConfigError:
    text = re.sub(r"'[^']*'|\"[^\"]*\"", lambda found: "x" * len(found[0]), source.text)
    for pattern, hint in _SLIPS:
        if found := re.search(pattern, text):
            return ConfigError(hint, column=found.start())
    if "escape sequence" in error.msg:
        return ConfigError(f'{error.msg}; put an r before the text, as in r"\\d+"')
    column = min(max((error.offset or 2) - 2, 0), len(source.text)) if error.lineno == 1 else None
    return ConfigError("this cannot be read as an expression", column=column)


def _only_item(tree: ast.expr, source: Source) -> ast.expr:
    """The expression between our own brackets, which a text such as `1] + [2` would get around."""
    if not isinstance(tree, ast.List):
        raise ConfigError("a bracket is closed that was not opened")
    if not tree.elts:
        raise ConfigError("the expression is empty")
    if source.text.rstrip().endswith(","):
        raise ConfigError("the expression ends with a comma")
    if len(tree.elts) != 1:
        raise source.error(
            "expected one expression, found several with commas between", tree.elts[1]
        )
    return tree.elts[0]


def _measure(node: ast.expr, source: Source) -> None:
    """Refuses what is too large. A loop, since the tree may be too deep for recursion."""
    level: list[ast.AST] = [node]
    nodes = depth = 0
    while level:
        nodes, depth = nodes + len(level), depth + 1
        if nodes > MOST_NODES:
            raise ConfigError(f"the expression has more than {MOST_NODES} parts")
        if depth > DEEPEST:
            deep = next((item for item in level if isinstance(item, ast.expr)), node)
            raise source.error(f"the expression is nested more than {DEEPEST} levels deep", deep)
        level = [
            child
            for item in level
            for child in ast.iter_child_nodes(item)
            if not isinstance(child, (ast.expr_context, ast.operator, ast.unaryop, ast.cmpop))
        ]
