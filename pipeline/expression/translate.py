"""Translates a syntax tree to Python source: nodes on a list of allowed ones, and no others."""

from __future__ import annotations

import ast
import math
from typing import Any, Final

from pipeline.expression import mistakes, slips, syntax
from pipeline.expression.code import Code, Namespace, quote
from pipeline.expression.comparisons import compare
from pipeline.expression.functions import FUNCTIONS
from pipeline.expression.scope import Scope, nearest
from pipeline.expression.syntax import Keys
from pipeline.expression.values import LARGEST
from pipeline.model.errors import ConfigError

_ARITHMETIC: Final[dict[type[ast.operator], str]] = {
    ast.Add: "add",
    ast.Sub: "subtract",
    ast.Mult: "multiply",
    ast.Div: "divide",
    ast.FloorDiv: "floor_divide",
    ast.Mod: "remainder",
}
_REFUSED: Final[dict[type[ast.AST], str]] = {
    ast.Lambda: "a lambda",
    ast.IfExp: '"if … else"',
    ast.NamedExpr: '":="',
    ast.JoinedStr: "an f-string",
    ast.Starred: '"*"',
    ast.Slice: "a slice",
    ast.Dict: "a dictionary",
    ast.Await: '"await"',
    ast.Yield: '"yield"',
    ast.YieldFrom: '"yield"',
    ast.ListComp: "a comprehension",
    ast.SetComp: "a comprehension",
    ast.DictComp: "a comprehension",
    ast.GeneratorExp: "a comprehension",
    ast.Pow: '"**"',
    ast.MatMult: '"@"',
    ast.BitAnd: '"&" (write "and")',
    ast.BitOr: '"|" (write "or")',
    ast.BitXor: '"^"',
    ast.LShift: '"<<"',
    ast.RShift: '">>"',
    ast.Invert: '"~" (write "not")',
}


def translate(text: str, scope: Scope, *, is_condition: bool = False) -> Code:
    """Translates an expression to Python, with the names of `scope`.

    `is_condition`: whether only its truth matters, so that a part such as `or "b"` is a mistake.
    Raises `ConfigError`, with the column, for text that is not a valid expression.
    """
    source = syntax.ExpressionText(text)
    try:
        tree = syntax.parse(source)
        if is_condition:
            mistakes.refuse_constants(tree, source)
        code = Translator(source, scope).code(tree)
    except ConfigError as error:
        raise ConfigError(error.message, column=error.column or 0) from None
    if isinstance(code.literal, tuple):
        raise ConfigError('a list stands only after "in"', column=0)
    return code


class Translator:
    """Translates the tree of one expression, recursively; `syntax` has limited its depth."""

    def __init__(self, source: syntax.ExpressionText, scope: Scope) -> None:
        self._source = source
        self._scope = scope
        self._namespace: Namespace = scope.namespace

    def code(self, node: ast.expr) -> Code:
        """The code of a node. Raises `ConfigError`, with the column, if it is not allowed."""
        match node:
            case ast.Constant(value=value):
                return self._literal(value, node)
            case ast.Tuple(elts=items) | ast.List(elts=items) | ast.Set(elts=items):
                return self._list(items)
            case ast.Name() | ast.Attribute() | ast.Subscript():
                return self._name(node)
            case ast.BoolOp(op=operator, values=operands):
                return self._boolean("and" if isinstance(operator, ast.And) else "or", operands)
            case ast.UnaryOp(op=operation, operand=operand):
                return self._unary(operation, operand, node)
            case ast.BinOp(left=left, op=arithmetic, right=right):
                return self._arithmetic(left, arithmetic, right, node)
            case ast.Compare(left=left, ops=comparisons, comparators=others):
                return self._comparison([left, *others], comparisons)
            case ast.Call():
                return self._call(node)
        raise self._refusal(node, node)

    def _refusal(self, what: ast.AST, node: ast.expr) -> ConfigError:
        name = _REFUSED.get(type(what), "this")
        return self._source.error(f"{name} cannot be used in an expression", node)

    def _at(self, node: ast.expr, error: ConfigError) -> ConfigError:
        return self._source.error(error.message, node)

    # -- literals and names ----------------------------------------------------------------

    def _literal(self, value: Any, node: ast.expr) -> Code:
        if isinstance(value, str):
            if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
                raise self._source.error("half a surrogate pair is no character", node)
            return Code(quote(value), "text", value)
        if isinstance(value, (bool, type(None))):
            return Code(quote(value), "any" if value is None else "boolean", value)
        if isinstance(value, (int, float)):
            whole = isinstance(value, int)
            if abs(value) > LARGEST if whole else not math.isfinite(value):
                raise self._source.error("this number is too large", node)
            return Code(f"({value!r})" if value < 0 else quote(value), "number", value)
        raise self._source.error(f"{type(value).__name__} literals cannot be used here", node)

    def _list(self, items: list[ast.expr]) -> Code:
        codes = [self.code(item) for item in items]
        for item, code in zip(items, codes, strict=True):
            if not code.is_literal or isinstance(code.literal, tuple):
                quoted = f'; write "{item.id}" in quotes' if isinstance(item, ast.Name) else ""
                message = f"a list holds texts, numbers, True, False or None{quoted}"
                raise self._source.error(message, item)
        values = tuple(code.literal for code in codes)
        return Code("(" + "".join(f"{code.source}, " for code in codes) + ")", literal=values)

    def _name(self, node: ast.expr) -> Code:
        keys = self._keys(node)
        try:
            return self._scope.resolve(keys)
        except ConfigError as error:
            raise self._at(node, error) from None

    def _keys(self, node: ast.expr) -> Keys:
        """The names and keys of `a.b["c"][0]`, from left to right."""
        match node:
            case ast.Name(id=name):
                return (self._identifier(name, node),)
            case ast.Attribute(value=value, attr=name):
                if name in FUNCTIONS and FUNCTIONS[name].is_method:
                    hint = f'call {name}(…); for a field of this name write ["{name}"]'
                    raise self._source.error(hint, node)
                return (*self._keys(value), self._identifier(name, node))
            case ast.Subscript(value=value, slice=index):
                keys = self._keys(value)
                if isinstance(index, (ast.Slice, ast.Tuple)):
                    raise self._source.error("the key is one text or one whole number", index)
                key = self.code(index)
                if type(key.literal) not in (str, int):
                    raise self._source.error("the key is a text or a whole number", index)
                return (*keys, key.literal)
        raise self._source.error("only a field has parts", node)

    def _identifier(self, name: str, node: ast.expr) -> str:
        odd = not name.isascii() or not self._source.is_written(name, node)
        if odd or name.startswith("__"):
            raise self._source.error(f'write fields["{name}"] for a field of this name', node)
        return name

    # -- operators -------------------------------------------------------------------------

    def _boolean(self, word: str, operands: list[ast.expr]) -> Code:
        codes = [self._value(operand) for operand in operands]
        kinds = {code.kind for code in codes}
        kind = kinds.pop() if len(kinds) == 1 else "any"
        return Code("(" + f" {word} ".join(code.source for code in codes) + ")", kind)

    def _unary(self, operation: ast.unaryop, operand: ast.expr, node: ast.expr) -> Code:
        code = self._value(operand)
        if isinstance(operation, ast.Not):
            return Code(f"(not {code.source})", "boolean")
        if isinstance(operation, ast.Invert):
            raise self._refusal(operation, node)
        if code.is_literal and code.kind != "number":
            raise self._source.error("arithmetic is for numbers", operand)
        minus = isinstance(operation, ast.USub)
        if code.kind == "number":
            return self._literal(-code.literal if minus else code.literal, node)
        return Code(f"negative({code.source})" if minus else f"add(0, {code.source})")

    def _arithmetic(
        self, left: ast.expr, operator: ast.operator, right: ast.expr, node: ast.expr
    ) -> Code:
        helper = _ARITHMETIC.get(type(operator))
        if helper is None:
            raise self._refusal(operator, node)
        codes = []
        for operand in (left, right):
            code = self._value(operand)
            if code.is_literal and code.kind != "number":
                raise self._source.error("arithmetic is for numbers", operand)
            codes.append(code)
        if codes[1].literal == 0 and helper in ("divide", "floor_divide", "remainder"):
            raise self._source.error("this divides by zero", right)
        return Code(f"{helper}({codes[0].source}, {codes[1].source})")

    def _value(self, node: ast.expr) -> Code:
        """The code of a node that must be a single value, not a list."""
        code = self.code(node)
        if isinstance(code.literal, tuple):
            raise self._source.error('a list stands only after "in"', node)
        return code

    def _comparison(self, operands: list[ast.expr], operators: list[ast.cmpop]) -> Code:
        """The code of a comparison. `a < b < c` is `a < b and b < c`, with `b` evaluated once."""
        if len(operators) == 1 and (member := self._in_fields(operators[0], *operands)):
            return member
        parts = []
        left = self.code(operands[0])
        for number, (operator, node) in enumerate(zip(operators, operands[1:], strict=True), 1):
            right = again = self.code(node)
            if number < len(operators) and not right.is_literal:
                variable = self._namespace.fresh()
                right = Code(f"({variable} := {right.source})", right.kind)
                again = Code(variable, right.kind)
            try:
                mistakes.refuse(operator, operands[number - 1], node, self._scope)
                parts.append(compare(operator, left, right, self._namespace))
            except ConfigError as error:
                raise self._at(node, error) from None
            left = again
        return Code(parts[0] if len(parts) == 1 else f"({' and '.join(parts)})", "boolean")

    def _in_fields(self, operator: ast.cmpop, item: ast.expr, node: ast.expr) -> Code | None:
        """The code of `"key" in fields`, which tests for a field; None for other comparisons."""
        if not isinstance(node, ast.Name) or node.id != "fields":
            return None
        if not isinstance(operator, (ast.In, ast.NotIn)):
            return None
        if not isinstance(item, ast.Constant) or not isinstance(item.value, str):
            raise self._source.error('before "in fields" stands a text', item)
        try:
            found = self._scope.has(item.value)
        except ConfigError as error:
            raise self._at(node, error) from None
        return found if isinstance(operator, ast.In) else Code(f"(not {found.source})", "boolean")

    # -- calls -----------------------------------------------------------------------------

    def _call(self, node: ast.Call) -> Code:
        arguments = list(node.args)
        match node.func:
            case ast.Name(id=name):
                known = FUNCTIONS
            case ast.Attribute(value=value, attr=name):
                known = {key: function for key, function in FUNCTIONS.items() if function.is_method}
                arguments.insert(0, value)
            case _:
                raise self._source.error("only a function that is named can be called", node)
        function = known.get(self._identifier(name, node.func))
        if function is None and name in FUNCTIONS:
            raise self._source.error(f"write {FUNCTIONS[name].usage}", node)
        if function is None:
            hint = slips.FUNCTIONS.get(name, "")
            hint = f" {hint[0].upper()}{hint[1:]}." if hint else nearest(name, known)
            hint = hint or f" There are {', '.join(known)}."
            raise self._source.error(f'there is no function "{name}".{hint}', node)
        if node.keywords or len(arguments) != function.arguments:
            raise self._source.error(f"{name} is written {function.usage}", node)
        codes = tuple(self.code(argument) for argument in arguments)
        try:
            mistakes.refuse_affix(name, arguments, self._scope)
            return function.build(self._namespace, codes)
        except ConfigError as error:
            raise self._at(arguments[-1], error) from None
