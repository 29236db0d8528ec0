"""The functions of expressions. Some can be called as methods: `name.startswith("a")`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pipeline.expression import comparisons, severity
from pipeline.expression.code import Code, Namespace
from pipeline.expression.networks import compile_networks
from pipeline.expression.patterns import compile_pattern
from pipeline.model.errors import ConfigError

Build = Callable[[Namespace, tuple[Code, ...]], Code]
"""Makes the code of a call from its arguments. Raises `ConfigError` for invalid ones."""


@dataclass(frozen=True)
class Function:
    """A function of expressions, and how its calls are translated."""

    usage: str
    """A call as it is written, for messages."""
    build: Build
    """Makes the code of a call; it gets as many arguments as `usage` has."""
    is_method: bool = False
    """Whether it can be called on its first argument."""

    @property
    def arguments(self) -> int:
        """The number of arguments."""
        return self.usage.count(",") + 1


def _affix(name: str) -> Build:
    """`startswith` and `endswith`: the second argument is a text, or a list of them."""

    def build(namespace: Namespace, arguments: tuple[Code, ...]) -> Code:
        value, affix = arguments
        if not affix.is_literal:
            return Code(f"{name}({value.source}, {affix.source})", "boolean")
        if not _texts(affix):
            raise ConfigError(f"{name} looks for a text, or for one of a list of texts")
        if value.encoded and (encoded := comparisons.encode(affix)):
            return Code(f"{value.encoded}.{name}({encoded})", "boolean")
        if value.kind == "text":
            return Code(f"{value.source}.{name}({affix.source})", "boolean")
        x = namespace.fresh()
        quick = f"(type({x} := {value.source}) is str and {x}.{name}({affix.source}))"
        return Code(quick, "boolean")

    return build


def _contains(namespace: Namespace, arguments: tuple[Code, ...]) -> Code:
    container, item = arguments
    if isinstance(item.literal, tuple) or isinstance(container.literal, tuple):
        raise ConfigError("contains looks for one value")
    return Code(comparisons.member(False, item, container, namespace), "boolean")


def _matches(namespace: Namespace, arguments: tuple[Code, ...]) -> Code:
    value, pattern = arguments
    if not isinstance(pattern.literal, str):
        raise ConfigError('the pattern is a text, as in matches(path, r"^/api/v\\d+/")')
    compiled = compile_pattern(pattern.literal)
    namespace.is_linear = namespace.is_linear and compiled.is_linear
    search = namespace.constant(compiled.search)
    if value.kind == "text":
        return Code(f"({search}({value.source}) is not None)", "boolean")
    x = namespace.fresh()
    quick = f"(type({x} := {value.source}) is str and {search}({x}) is not None)"
    return Code(quick, "boolean")


def _ip_in(namespace: Namespace, arguments: tuple[Code, ...]) -> Code:
    value, networks = arguments
    if not _texts(networks):
        raise ConfigError('the network is a text such as "10.0.0.0/8", or a list of them')
    texts = networks.literal if isinstance(networks.literal, tuple) else (networks.literal,)
    return Code(f"{namespace.constant(compile_networks(texts))}({value.source})", "boolean")


def _plain(helper: str) -> Build:
    """A call of the function in `values` with this name and one argument."""

    def build(namespace: Namespace, arguments: tuple[Code, ...]) -> Code:
        (value,) = arguments
        if isinstance(value.literal, tuple):
            raise ConfigError('a list stands only after "in"')
        return Code(f"{helper}({value.source})")

    return build


def _case(name: str) -> Build:
    def build(namespace: Namespace, arguments: tuple[Code, ...]) -> Code:
        (value,) = arguments
        if value.kind == "text":
            return Code(f"{value.source}.{name}()", "text")
        return _plain(name)(namespace, arguments)

    return build


def _texts(code: Code) -> bool:
    if isinstance(code.literal, tuple):
        return bool(code.literal) and all(isinstance(item, str) for item in code.literal)
    return isinstance(code.literal, str)


FUNCTIONS: Final[dict[str, Function]] = {
    "startswith": Function('startswith(text, "beginning")', _affix("startswith"), True),
    "endswith": Function('endswith(text, "end")', _affix("endswith"), True),
    "contains": Function('contains(text, "part")', _contains, True),
    "matches": Function('matches(text, r"pattern")', _matches, True),
    "lower": Function("lower(text)", _case("lower"), True),
    "upper": Function("upper(text)", _case("upper"), True),
    "len": Function("len(value)", _plain("length")),
    "int": Function("int(value)", _plain("to_int")),
    "float": Function("float(value)", _plain("to_float")),
    "at_least": Function(severity.USAGE, severity.build),
    "epoch": Function("epoch(time)", _plain("epoch")),
    "ip_in": Function('ip_in(address, "10.0.0.0/8")', _ip_in),
}
