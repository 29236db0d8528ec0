"""The quick ways that are generated for literals agree with the rules of `values`."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pipeline.expression import compile_predicate, values
from pipeline.testing.builders import batch

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.integers(-(2**64), 2**64),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["", "0", "1", "1.0", "-1", " 2", "true", "False", "a", "1e3", "é", "\ufffd"]),
    st.text(max_size=3),
)  # fmt: skip
JSON = st.one_of(SCALARS, st.lists(SCALARS, max_size=2), st.dictionaries(st.text(), SCALARS))
FIELDS = JSON.map(lambda value: {"x": value}) | st.just({})

COMPARISONS = {
    "==": values.equal, "!=": values.unequal, "<": values.less,
    "<=": values.at_most, ">": values.greater, ">=": values.at_least,
}  # fmt: skip


def evaluate(text: str, fields: dict[str, Any], line: bytes = b"") -> bool:
    (found,) = compile_predicate(text)(batch(line, fields=[fields]))
    return found


@given(FIELDS, SCALARS, st.sampled_from(sorted(COMPARISONS)))
def test_a_field_compared_with_a_literal(fields: dict[str, Any], value: Any, symbol: str) -> None:
    x, literal = fields.get("x", values.MISSING), f"({value!r})"
    assert evaluate(f"x {symbol} {literal}", fields) == COMPARISONS[symbol](x, value)
    assert evaluate(f"{literal} {symbol} x", fields) == COMPARISONS[symbol](value, x)


@given(FIELDS, JSON, st.sampled_from(sorted(COMPARISONS)))
def test_a_field_compared_with_a_field(fields: dict[str, Any], other: Any, symbol: str) -> None:
    x = fields.get("x", values.MISSING)
    assert evaluate(f"x {symbol} y", fields | {"y": other}) == COMPARISONS[symbol](x, other)


@given(FIELDS, st.lists(SCALARS, min_size=1, max_size=3))
def test_a_field_in_a_list_of_literals(fields: dict[str, Any], options: list[Any]) -> None:
    x = fields.get("x", values.MISSING)
    assert evaluate(f"x in {options!r}", fields) == values.one_of(x, tuple(options))
    assert evaluate(f"x not in {options!r}", fields) == values.none_of(x, tuple(options))


@given(st.binary(max_size=8), st.text("aé\ufffd☃", max_size=2))
def test_a_literal_in_a_message_of_any_bytes(line: bytes, part: str) -> None:
    line, text = (
        line + part.encode() + line,
        (line + part.encode() + line).decode("utf-8", "replace"),
    )
    for beside in ("", "x"):
        literal = part + beside
        assert evaluate(f"{literal!r} in message", {}, line) == (literal in text)
        assert evaluate(f"{literal!r} not in message", {}, line) == (literal not in text)
        assert evaluate(f"message.startswith({literal!r})", {}, line) == text.startswith(literal)
        assert evaluate(f"message.endswith({literal!r})", {}, line) == text.endswith(literal)
        assert evaluate(f"message == {literal!r}", {}, line) == (text == literal)
        assert evaluate(f"message != {literal!r}", {}, line) == (text != literal)
