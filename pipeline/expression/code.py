"""`Code`, a piece of generated Python, and the `Namespace` that it runs in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from pipeline.expression import values
from pipeline.model.batch import STREAM_NAMES

Kind = Literal["text", "number", "boolean", "any"]
"""The type of an expression's values. `any` is any JSON value, or `MISSING`."""


class _NoLiteral:
    pass


NO_LITERAL: Final = _NoLiteral()
"""`Code.literal` of code that is not a literal."""


@dataclass(frozen=True, slots=True)
class Code:
    """A piece of generated Python: an expression, in brackets if it needs them."""

    source: str
    """The Python source."""
    kind: Kind = "any"
    """The type of its values."""
    literal: Any = NO_LITERAL
    """The value of a literal; for a list of literals, a tuple of values."""
    encoded: str = ""
    """Python source of the same text as UTF-8 bytes, before decoding; only for the message."""

    @property
    def is_literal(self) -> bool:
        """Whether this is a literal, or a list of literals."""
        return self.literal is not NO_LITERAL


def quote(value: Any) -> str:
    """A literal as Python source, for str, bytes, int, float, bool and None only."""
    return repr(value)


_OPERATIONS: Final = (
    "MISSING", "NUMBERS",
    "equal", "unequal", "less", "at_most", "greater", "at_least",
    "contains", "lacks", "one_of", "none_of",
    "add", "subtract", "multiply", "divide", "floor_divide", "remainder", "negative",
    "to_int", "to_float", "epoch", "length", "lower", "upper", "startswith", "endswith",
)  # fmt: skip
"""Names in `values` that generated code may use."""


class Namespace:
    """The global names of generated code: operations on values, and its constants.

    Only the builtins listed here are available, and no text of the user becomes a name.
    """

    _SHARED: Final = {
        "__builtins__": {},
        "STREAMS": STREAM_NAMES,
        "NOTHING": {},
        "type": type,
        "str": str,
        "len": len,
        "zip": zip,
        **{name: getattr(values, name) for name in _OPERATIONS},
    }

    def __init__(self) -> None:
        self.is_linear = True
        """Whether all patterns in the code are linear in the text (`Pattern.is_linear`)."""
        self._globals = dict(self._SHARED)
        self._fresh = 0

    def fresh(self) -> str:
        """A new name for a variable."""
        self._fresh += 1
        return f"x{self._fresh}"

    def constant(self, value: Any) -> str:
        """Makes a value available to generated code; returns its name."""
        self._fresh += 1
        name = f"k{self._fresh}"
        self._globals[name] = value
        return name

    def function(self, parameter: str, body: list[str]) -> Any:
        """Compiles a function with one parameter of this name, and these lines as its body."""
        lines = [f"def run({parameter}):", *[f"    {line}" for line in body]]
        scope = dict(self._globals)
        exec(compile("\n".join(lines), "<expression>", "exec"), scope)
        return scope["run"]
