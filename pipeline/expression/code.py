"""`Code`, a piece of generated Python, and the `Namespace` that it runs in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from pipeline.expression import values
from pipeline.model.batch import STREAM_NAMES

Kind = Literal["text", "number", "boolean", "any"]
"""Of what type its values are. `any`: anything that JSON has, or `MISSING`."""


class _NoLiteral:
    pass


NO_LITERAL: Final = _NoLiteral()


@dataclass(frozen=True, slots=True)
class Code:
    """A Python expression, in brackets where it needs them."""

    source: str
    kind: Kind = "any"
    literal: Any = NO_LITERAL
    """The value, for a literal (a tuple of values, for a list of them)."""
    encoded: str = ""
    """For the message: the same text as UTF-8, which it is before it is decoded."""

    @property
    def is_literal(self) -> bool:
        return self.literal is not NO_LITERAL


def quote(value: Any) -> str:
    """A literal as Python source. Only for text, numbers, truth values, None and bytes."""
    return repr(value)


_OPERATIONS: Final = (
    "MISSING", "NUMBERS",
    "equal", "unequal", "less", "at_most", "greater", "at_least",
    "contains", "lacks", "one_of", "none_of",
    "add", "subtract", "multiply", "divide", "floor_divide", "remainder", "negative",
    "to_int", "to_float", "length", "lower", "upper", "startswith", "endswith",
)  # fmt: skip
"""What generated code uses of `values`."""


class Namespace:
    """The global names of generated code: operations on values, and constants of its own.

    There are no builtins but those listed here, and no text of the user's becomes a name.
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
        self._globals = dict(self._SHARED)
        self._fresh = 0

    def fresh(self) -> str:
        """A name for a variable that no other code uses."""
        self._fresh += 1
        return f"x{self._fresh}"

    def constant(self, value: Any) -> str:
        """A name under which generated code finds a value."""
        self._fresh += 1
        name = f"k{self._fresh}"
        self._globals[name] = value
        return name

    def function(self, parameter: str, body: list[str]) -> Any:
        """Compiles a function of one parameter with these lines."""
        lines = [f"def run({parameter}):", *[f"    {line}" for line in body]]
        scope = dict(self._globals)
        exec(compile("\n".join(lines), "<expression>", "exec"), scope)
        return scope["run"]
