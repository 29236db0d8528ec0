"""Parses an expression to a syntax tree of bounded size, whose nodes `translate` checks."""

from __future__ import annotations

import ast
import re
import warnings
from typing import Any, Final

from pipeline.expression import slips
from pipeline.model.errors import ConfigError

Keys = tuple[str | int, ...]
"""A name and its keys: `http.tags[0]` is `("http", "tags", 0)`."""

MOST_CHARACTERS: Final = 8192
"""Most characters of an expression."""
MOST_NODES: Final = 2000
"""Most nodes of an expression's tree."""
DEEPEST: Final = 32
"""Most levels of nesting. Each makes up to four brackets in generated code; CPython allows 200."""

_LINE_END: Final = re.compile(rb"\r\n|\r|\n")
"""A line end in Python's parser."""

_NO_CHARACTER: Final = re.compile("[\0\ud800-\udfff]")


class ExpressionText:
    """The text of an expression, with conversions from the parser's positions to columns."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._bytes = ("[" + text).encode("utf-8", "surrogatepass")
        self._rows = [0, *(end.end() for end in _LINE_END.finditer(self._bytes))]
        """The offset of the start of each row, in bytes."""

    def column(self, row: int, offset: int) -> int:
        """The index of a character, given a node's row (from 1) and its offset in bytes."""
        before = self._bytes[: self._start(row) + offset]
        return min(len(before.decode("utf-8", "replace")) - 1, len(self.text))

    def place(self, row: int, letter: int) -> int:
        """The index of a character, given the row and the letter in it, both from 1.

        These are the positions of a `SyntaxError`. The end of the text for a row after the last.
        """
        if row > len(self._rows):
            return len(self.text)
        return min(max(self.column(row, 0) + letter - 1, 0), len(self.text))

    def _start(self, row: int) -> int:
        return self._rows[min(row, len(self._rows)) - 1]

    def is_written(self, name: str, node: ast.expr) -> bool:
        """Whether the text of a node really ends with this name.

        Python normalises names: full-width letters, for example, become ASCII.
        """
        end = self._start(node.end_lineno or 1) + (node.end_col_offset or 0)
        return self._bytes[:end].endswith(name.encode())

    def error(self, message: str, node: ast.expr) -> ConfigError:
        """An error with the column of a node."""
        return ConfigError(message, column=self.column(node.lineno, node.col_offset))


def keys_of(node: ast.AST) -> Keys:
    """A name and its keys, such as `("http", "status")`; empty for other nodes."""
    match node:
        case ast.Name(id=name):
            return (name,)
        case ast.Attribute(value=value, attr=name):
            return (*keys, name) if (keys := keys_of(value)) else ()
        case ast.Subscript(value=value, slice=ast.Constant(value=str() | int() as key)):
            return (*keys, key) if (keys := keys_of(value)) else ()
        case ast.Subscript(value=value, slice=index):
            return (*keys, ast.unparse(index)) if (keys := keys_of(value)) else ()
    return ()


def literal_of(node: ast.expr) -> Any:
    """The value of a literal, a tuple for a list; None for `None` and for other nodes."""
    try:
        value = ast.literal_eval(node)
    except ValueError:
        return None
    return tuple(value) if isinstance(value, (list, set, tuple)) else value


def is_literal(node: ast.expr) -> bool:
    """Whether a node is a literal, or a list of literals."""
    try:
        ast.literal_eval(node)
    except ValueError:
        return False
    return True


def called_on(call: ast.Call) -> list[ast.expr]:
    """The object of a method call, as a list; empty for a plain call."""
    return [call.func.value] if isinstance(call.func, ast.Attribute) else []


def parse(source: ExpressionText) -> ast.expr:
    """Parses a text that must be exactly one expression, on one line or several.

    Raises `ConfigError` for anything else, and for an expression that is too long or too deep.
    """
    text = source.text
    if len(text) > MOST_CHARACTERS:
        message = f"the expression is longer than {MOST_CHARACTERS} characters"
        raise ConfigError(message, column=MOST_CHARACTERS)
    if not text.strip():
        raise ConfigError("the expression is empty")
    node = _only_item(_tree(source), source)
    _measure(node, source)
    return node


def _tree(source: ExpressionText) -> ast.expr:
    """Parses the text inside brackets, so that a line may end anywhere."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return ast.parse(f"[{source.text}\n]", mode="eval").body
    except (RecursionError, MemoryError):
        raise ConfigError("the expression is nested too deeply") from None
    except SyntaxError as error:
        raise _unreadable(source, error) from None
    except ValueError:  # a NUL, or half a surrogate pair
        raise _no_text(source) from None


def _no_text(source: ExpressionText) -> ConfigError:
    found = _NO_CHARACTER.search(source.text)
    message = "the expression holds a character that cannot be in a text"
    return ConfigError(message, column=found.start() if found else 0)


def _unreadable(source: ExpressionText, error: SyntaxError) -> ConfigError:
    if _NO_CHARACTER.search(source.text):
        return _no_text(source)
    if slip := slips.found_in(source.text):
        return ConfigError(slip[1], column=slip[0])
    column = source.place(error.lineno or 1, error.offset or 1)
    if "escape sequence" in error.msg:
        escape = re.search(r"\\.", error.msg)  # versions of Python mark the text or the escape
        column = max(column, source.text.find(escape[0], column) if escape else 0)
        return ConfigError(f'{error.msg}; put an r before the text, as in r"\\d+"', column=column)
    if "value too large" in error.msg or "integer string conversion" in error.msg:
        return ConfigError("this number is too large", column=column)
    if "unterminated string" in error.msg:
        return ConfigError("a text begins here that has no closing quote", column=column)
    if "parenthesis" in error.msg:
        is_end = column >= len(source.text.rstrip())
        message = "a bracket is not closed" if is_end else "no bracket is open that this closes"
        return ConfigError(message, column=column)
    return ConfigError("this cannot be read as an expression", column=column)


def _only_item(tree: ast.expr, source: ExpressionText) -> ast.expr:
    """The expression inside the brackets added by `_tree`. Refuses texts such as `1] + [2`."""
    if not isinstance(tree, ast.List):
        raise ConfigError("a bracket is closed that was not opened")
    if not tree.elts:
        raise ConfigError("the expression is empty")
    if source.text.rstrip().endswith(","):
        raise ConfigError("the expression ends with a comma")
    if len(tree.elts) != 1:
        raise source.error(
            "expected one expression, found several with commas between; a list is in brackets, "
            'as in level in ("error", "fatal")',
            tree.elts[1],
        )
    return tree.elts[0]


def _measure(node: ast.expr, source: ExpressionText) -> None:
    """Refuses a tree that is too large. A loop, since the tree may be too deep for recursion."""
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
