"""`Code`, a piece of generated Python, and the `Namespace` that it runs in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final, Literal

from pipeline.batch import STREAM_NAMES
from pipeline.expression import values

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


class Namespace:
    """The global names of generated code: what is in `values`, and constants of its own.

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
        **{name: value for name, value in vars(values).items() if re.match(r"[A-Za-z]", name)},
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
