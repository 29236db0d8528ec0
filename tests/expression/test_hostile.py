"""Nothing but what the grammar allows: each of these is a `ConfigError`, and none runs."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from typing import Any

import pytest

from pipeline.expression import compile_container, compile_predicate, compile_template
from pipeline.expression.code import Namespace
from pipeline.model.errors import ConfigError
from pipeline.testing.builders import batch, container
from pipeline.testing.stage_kit import FIELDS, LINES

WAYS_OUT = (
    "__import__('os').system('id')", "().__class__", "''.__class__.__mro__", "x.__class__", "__x",
    "message.__class__", "container.__dict__", "container.__init__.__globals__", "__builtins__",
    "fields.__getitem__('a')", "x.__subclasses__()", "container.labels.__len__()", "x.__", "__",
    "eval('1')", "exec('1')", "open('/etc/passwd')", "getattr(x, 'y')", "globals()", "vars()",
    "compile('1', '', 'eval')", "type(x)", "print(x)", "input()", "breakpoint()", "help()",
    "exit()", "dir(x)", "setattr(x, 'y', 1)", "isinstance(x, str)", "str(x)", "list(x)", "range(9)",
    "sum(x)", "sorted(x)", "max(x, y)", "abs(x)", "hash(x)", "memoryview(x)", "object()", "super()",
    "repr(x)", "equal(x, 1)", "MISSING()", "x1()", "k1()", "line.decode()", "entry.get('a')",
    "batch.fields()", "x.format(y)", "'{0.__class__}'.format(x)", "x.join(y)", "x.encode()",
    "x.split()", "x.get('a')", "x.replace('a', 'b')", "x.zfill(9)", "x.center(9)",
    "'a'.upper.lower()", "lower.__call__(x)", "lower(x)(y)", "x['a']()", "x[0](1)", "(lower)(x)(y)",
    "(x or lower)(y)", "lower(lower)(x)", "x().y", "lower(x).y", "lower(x)['a']", "'abc'[0]",
    "'abc'.x", "(1).real", "1 .real", "[1][0]", "(x == 1).y", "(x + y).z", "(x or y).z",
    "message.x", "message[0]", "stream['a']", "time.year", "source.x", "container", "container.x",
    "container['name']['x']", "fields", "fields[0]", "len(fields)", "fields == 1", "x in fields",
    "1 in fields", "'a' in fields in fields", "'a' in fields == True", "container.name.x",
    "container.labels()", "x.startswith",
)  # fmt: skip
FORMS = (
    "lambda: 1", "lambda x: x", "(lambda: x)()", "[x for x in y]", "{x for x in y}",
    "(x for x in y)", "{x: 1 for x in y}", "any(x for x in y)", "(x := 1)", "x if y else z",
    "f'{x}'", "f'{x!r:>9}'", "f''", "rf'{x}'", "b'x'", "{'a': 1}", "{}", "{**x}", "[*x]", "(*x,)",
    "x[1:2]", "x[:]", "x[::2]", "x[1, 2]", "x[y]", "x[None]", "x[1.5]", "x[True]", "x[()]",
    "x[b'a']", "x[...]", "...", "1j", "await x", "(yield)", "(yield x)", "(yield from x)",
    "not_a_function(x)", "x @ y", "x ** y", "2 ** 99999", "x << 1", "1 << 99999", "x >> 1", "x & y",
    "x | y", "x ^ y", "~x", "-'a'", "+'a'", "-True", "-None", "'a' * 99999", "x * 'a'", "'%s' % x",
    "x % 'a'", "'a' + 'b'", "x + 'a'", "x - None", "x / True", "x / 0", "x // 0", "x % 0",
    "x % 0.0", "(1, 2) * 9", "[1] * 9", "(1, 2) + (3,)", "x is None", "x is not None", "x is True",
    "x == (1, 2)", "(1, 2) == x", "x in ()", "x in []", "x in (y, z)", "x in ((1,), 2)", "x in 5",
    "x in None", "x in True", "x < (1,)", "(1, 2)", "[1]", "{1}", "not (1,)", "x and (1,)",
    "x in (1, *y)", "x in {1: 2}",
)  # fmt: skip
CALLS = (
    "startswith()", "startswith(x)", "startswith(x, 'a', 1)", "startswith(x, ())",
    "x.startswith(())", "startswith(x, 1)", "startswith(x, ('a', 1))", "startswith(x, None)",
    "startswith(*x)", "startswith(x, prefix='a')", "startswith(**x)", "lower()", "lower(x, y)",
    "x.lower(y)", "lower(x=y)", "lower((1,))", "len((1, 2))", "len()", "int(x, 16)",
    "int('9', base=9)", "x.len()", "x.int()", "x.ip_in('::/0')", "ip_in(x)", "ip_in(x, y)",
    "ip_in(x, 5)", "ip_in(x, ())", "ip_in(x, '10.0.0.1/8')", "ip_in(x, 'net')",
    "ip_in(x, ('10.0.0.0/8', 1))", "contains(x)", "contains(x, ('a',))", "contains(('a',), x)",
    "contains(x, *y)", "matches(x)", "matches(x, y)", "matches(x, 1)", "matches(x, ('a',))",
    "matches(x, 'a', 'b')", "matches(x, r'(')", "matches(x, r'a**')", r"matches(x, r'(a)\1')",
    r"matches(x, '\b')", "matches(x, r'(a+)+$')", "matches(x, r'(a|a)*$')", "matches(x, r'(.*)*x')",
    r"matches(x, r'(\w+\s?)*$')", "matches(x, r'.*.*.*x')", "matches(x, r'(?P<x>a)(?(x)b|c)')",
    "matches(x, r'(?=(a+)+$)')", "matches(x, r'a{99999999999}')", "matches(x, r'[')",
    "matches(x, r'(?P<a>x)(?P<a>y)')", "matches(x, r'(?<=a+)b')", "matches(x, r'(?z)')",
    "matches(x, '" + "(" * 2000 + ")" * 2000 + "')", "matches(x, '" + "a" * 5000 + "')",
    "matches(x, r'" + "a?" * 60 + "a" * 60 + "')",
)  # fmt: skip
TEXTS = (
    "", " ", "\n", "\t\n", "#", "# only a comment", "(", ")", "x)", "(x", "[x", "x]", "x] + [y",
    "x], [y", "x][0", "x]\n[0", "1] if x else [2", "x) or (y", "x, y", "x,", "x, ", "x; y", "x\ny",
    "x == 1\ny == 2", "x = 1", "x += 1", "x == ", "== 1", "x === 1", "x <> 1", "x && y", "x || y",
    "!x", "x =~ 'a'", "x ? y : z", "x.", ".x", "x..y", "x.1", "1x", "1_", "0777", "0x", "1e", "'",
    '"', "'a", '"a', "'''a", "'\\", "'\\x1'", "'\\N{NO SUCH}'", "'\\d'", "'\\ud800'", "'\\udfff'",
    "\ud800", "x == '\ud800'", "\x00", "x\x00", "'\x00'", "\\", "$x", "@x", "x?", "`x`", "x := 1",
    "def f(): pass", "pass", "import os", "from os import path", "raise x", "assert x", "del x",
    "return x", "global x", "with x: y", "for x in y: z", "while x: y", "class x: pass", "if x: y",
    "try: x", "async x", "x: int", "*x", "**x", "print x", "exec 'x'", "None = 1", "True = 1",
    "not", "and", "x and", "in x", "x not y", "true", "false", "null", "x == true", "x == null",
    "größe == 1", "ｌｅｖｅｌ == 1", "℘ == 1", "x.é", "__ｃlass__", "x.__cl\u0101ss__",
    "x\u2060 == 1", "x \u202e== 1", "x == 1\u2028", "x\xa0== 1", "\ufeffx", "x “==” 1",
    "x == ’a’", "x ≠ 1",
    "x ≤ 1", "x − 1", "٣ == 3", "x == 1e999", "x == -1e999", "9" * 30, "9" * 5000, "0x" + "f" * 17,
    "x == " + "9" * 4000, "1" + "0" * 8000, "x" * 9000, "'" + "a" * 9000 + "'",
    "x == '" + "☃" * 8192 + "'", " " * 9000 + "x",
)  # fmt: skip
BOMBS = (
    "(" * 5000 + "x" + ")" * 5000, "(" * 250 + "x" + ")" * 250, "[" * 4000, "{" * 4000, "(" * 8000,
    "not " * 2000 + "x", "-" * 8000 + "1", "~" * 8000 + "1", "+" * 100 + "x", "x" + ".a" * 4000,
    "x" + "[0]" * 2000, "lower(" * 1000 + "x" + ")" * 1000, "x" + ".lower()" * 1000,
    "+".join(["x"] * 1000), "-".join(["x"] * 4000), " or ".join(["x"] * 2600),
    " and ".join(["(a or b)"] * 700), "x in (" + "1, " * 2500 + ")", "a" + " < a" * 2000,
    "(x and " * 500 + "x" + ")" * 500, "lambda: " * 900 + "1",
    "[x for x in " * 300 + "y" + "]" * 300, "'a' 'b' " * 1200,
    "f'" + "{" * 500 + "x" + "}" * 500 + "'", "x if y else " * 600 + "z",
    "(yield " * 500 + "x" + ")" * 500, "await " * 1000 + "x", "*" * 8000, "x ** " * 1500 + "x",
    "not (" * 40 + "x" + ")" * 40, "-(" * 40 + "x" + ")" * 40, "a." * 40 + "b",
)  # fmt: skip
HOSTILE = (*WAYS_OUT, *FORMS, *CALLS, *TEXTS, *BOMBS)

PLACES = (
    "{}", "({})", "not ({})", "x == 1 and ({})", "({}) or x", "1 < ({}) < 2", "y in ({})",
    "({}) in y", "lower({})", "startswith(({}), 'a')", "x + ({})", "({}) % 2", "x[{}]",
    "contains(x, ({}))",
)  # fmt: skip


@pytest.fixture
def nothing_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Generated code is made last of all, after everything was checked."""
    monkeypatch.setattr(Namespace, "function", lambda *_: pytest.fail("it was compiled"))


def refuses(compiler: Callable[[str], Any], text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        compiler(text)
    message, column = caught.value.message, caught.value.column
    assert message
    assert "\n" not in message
    assert column is None or 0 <= column <= len(text)


@pytest.mark.usefixtures("nothing_is_compiled")
@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text)[:40])
def test_it_is_refused(text: str) -> None:
    refuses(compile_predicate, text)
    refuses(compile_container, text)


@pytest.mark.usefixtures("nothing_is_compiled")
@pytest.mark.parametrize("place", PLACES)
def test_it_is_refused_wherever_it_stands(place: str) -> None:
    for text in (*WAYS_OUT, *CALLS):
        refuses(compile_predicate, place.format(text))


@pytest.mark.usefixtures("nothing_is_compiled")
def test_it_is_refused_in_the_braces_of_a_template() -> None:
    for text in (*WAYS_OUT, *CALLS, *FORMS):
        if not text.startswith("{"):  # `{{` would be a brace that is meant
            refuses(compile_template, f"before {{{text}}} after")


def test_random_runs_of_tokens_are_refused_or_harmless() -> None:
    tokens = (
        "x", "y", "message", "container", "fields", "labels", "name", "lower", "startswith", "len",
        "'a'", "''", "5", "-1", "0", "1.5", "None", "True", "(", ")", "[", "]", ".", ",", "==",
        "!=", "<", ">=", "in", "not in", "not", "and", "or", "+", "-", "*", "/", "//", "%", "is",
        "if", "for", "lambda", ":", "{", "}", "(x)", "x.y", "x['a']", "lower(x)", "(1, 'a')",
        "matches(x, 'a*')",
    )  # fmt: skip
    choose = random.Random(1)
    entries = batch(*LINES[: len(FIELDS)], fields=FIELDS)
    accepted = 0
    for _ in range(20_000):
        text = " ".join(choose.choices(tokens, k=choose.randrange(1, 9)))
        for compiler, argument in ((compile_predicate, entries), (compile_container, container())):
            try:
                compiled = compiler(text)
            except ConfigError:
                continue
            accepted += 1
            result = compiled(argument)
            assert result in (True, False) or {*map(type, result)} == {bool}, text
    assert accepted > 500


def test_the_deepest_and_the_largest_that_is_allowed_can_be_compiled() -> None:
    outer = (
        "lower({})",
        "not ({})",
        "(x == 1 and {})",
        "({} + 1 != 2)",
        "contains({}, y)",
        "-({})",
    )
    for first, second in itertools.product(outer, outer):
        text, depth = "x", 1
        while True:
            larger = (first, second)[depth % 2].format(text)
            try:
                compiled = compile_predicate(larger)
            except ConfigError:
                break
            assert len(compiled(batch("a", fields=[{"x": "1", "y": "2"}]))) == 1
            text, depth = larger, depth + 1
        assert depth > 10
    many = compile_predicate("x in (" + ", ".join(map(str, range(1500))) + ")")
    assert many(batch("a", "b", fields=[{"x": 1499}, {"x": 1500}])) == [True, False]
    long = compile_predicate(" or ".join(f"x == {number}" for number in range(400)))
    assert long(batch("a", "b", fields=[{"x": 399}, {"x": 400}])) == [True, False]
