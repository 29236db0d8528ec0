"""Hostile expressions, templates and patterns by the thousand, made from families of tricks.

Each of `EXPRESSIONS` and `TEMPLATES` has to be refused; each of `HARMLESS` looks like a way out and
is none: it is compiled, and does nothing but compare.
"""

from __future__ import annotations

import builtins
import unicodedata
from collections.abc import Iterator

FIELDS = ("x", "message", "container", "container.name", "container.labels", "http.status")
VALUES = (*FIELDS, "fields", "'a'", "1", "(1, 2)", "lower(x)", "(x == 1)", "x.y['z']")

DUNDERS = (
    "__class__", "__dict__", "__globals__", "__builtins__", "__mro__", "__bases__", "__base__",
    "__subclasses__", "__init__", "__new__", "__call__", "__code__", "__closure__", "__getattr__",
    "__getattribute__", "__getitem__", "__import__", "__loader__", "__spec__", "__reduce__",
    "__reduce_ex__", "__format__", "__doc__", "__module__", "__self__", "__func__", "__wrapped__",
    "__kwdefaults__", "__annotations__", "__class_getitem__", "__init_subclass__", "__del__", "__",
)  # fmt: skip

OURS = frozenset(("len", "int", "float"))


def dunders() -> Iterator[str]:
    for dunder in DUNDERS:
        yield from (dunder, f"{dunder}('os')", f"lower({dunder})", f"{dunder} == 1")
        for value in VALUES:
            yield from (f"{value}.{dunder}", f"{value}.{dunder}()", f"{value}.y.{dunder} == 1")


def builtin_calls() -> Iterator[str]:
    """Whatever Python has without an import, called and as a method."""
    for name in sorted({*dir(builtins), "os", "sys", "subprocess", "re", "ast", "json"} - OURS):
        if name not in ("True", "False", "None", "__debug__"):
            yield from (f"{name}()", f"{name}(x)", f"{name}('id')", f"x.{name}()", f"{name}.y(x)")


def methods() -> Iterator[str]:
    ours = ("startswith", "endswith", "lower", "upper")
    for kind in (str, bytes, int, float, list, dict, tuple, set):
        for name in dir(kind):
            if name not in ours and not name.startswith("__"):
                yield from (f"x.{name}()", f"x.{name}(y)", f"'a'.{name}(x)", f"{name}(x)")


def generated_names() -> Iterator[str]:
    """Names that the code which is made from expressions has, called."""
    names = (
        "MISSING", "NUMBERS", "STREAMS", "NOTHING", "run", "batch", "entry", "line", "k1", "x1",
        "equal", "unequal", "less", "one_of", "add", "multiply", "remainder", "to_int", "length",
    )  # fmt: skip
    for name in names:
        yield from (f"{name}()", f"{name}(x)", f"{name}.replace(x)", f"x.{name}(1, 2)")


FORMS = (
    "lambda: 1", "lambda *a, **k: a", "(lambda: x)()", "[y for y in x]", "{y for y in x}",
    "(y for y in x)", "{y: 1 for y in x}", "[y async for y in x]", "[y for y in x if y for z in y]",
    "(x := 1)", "(x := lambda: 1)", "x if y else z", "(yield)", "(yield x)", "(yield from x)",
    "await x", "(await x)", "f'{x}'", "f'{x!r:>{y}}'", "f'{__import__(\"os\")}'", "b'x'", "rb'x'",
    "br'''x'''", "{}", "{'a': 1}", "{**x}", "[*x]", "(*x,)", "x[1:2]", "x[::]", "x[1, 2]", "x[y]",
    "x[None]", "x[1.5]", "x[-1.0]", "x[b'a']", "x[...]", "x[x]", "x['a' 'b' + 'c']", "...", "1j",
    "x ** y", "2 ** 2 ** 2", "x @ y", "x << 64", "1 << 1 << 1", "x >> 1", "x & 1", "x | 1", "x ^ 1",
    "~x", "not ~1", "x is y", "x is not None", "-'a'", "'a' * 9", "9 * 'a'", "[0] * 9", "(0,) * 9",
    "'a' % x", "'a' + 'b'", "x / 0", "x // 0.0", "x % 0", "1e999", "-1e999", "1_000_000_000 ** 9",
    "0xfffffffffffffffff", "9" * 21, "9" * 4300, "9" * 4301, "9" * 8000, "1e400", "1" + "0" * 400,
)  # fmt: skip
CONTEXTS = (
    "{}", "({})", "not ({})", "x == 1 and ({})", "({}) or y == 2", "1 < ({}) < 2", "({}) == 'a'",
    "lower(({}))", "x + ({})", "-({})", "y not in ({})", "startswith(({}), 'a')", "ip_in(x, ({}))",
    "\n(\n{}\n)\n", "\r\t({})", "'é☃' == x and ({})",
)  # fmt: skip


def forms() -> Iterator[str]:
    for context in CONTEXTS:
        yield from (context.replace("{}", form) for form in FORMS)


STATEMENTS = (
    "import os", "from os import *", "x = 1", "x += 1", "x: int = 1", "del x", "pass", "break",
    "return 1", "raise x", "assert x", "global x", "nonlocal x", "def f(): 1", "class x: 1",
    "with x: 1", "for x in y: 1", "while 1: 1", "try: 1", "match x:\n case 1: 2",
    "async def f(): 1",
    "type x = int", "print 'x'", "exec 'x'", "@x", "if x: y",
)  # fmt: skip


def statements() -> Iterator[str]:
    for statement in STATEMENTS:
        yield from (statement, f"x == 1; {statement}", f"x\n{statement}", f"x)\n{statement}\n(y")
        yield from (f"x]\n{statement}\n[y", f"'''x'''\n{statement}", f"x\r{statement}")


INVISIBLE = "\u2003\u200b\u200c\u200e\u2028\u2029\u202a\u202e\u2060\u2066\ufeff"


def look_alikes() -> Iterator[str]:
    """Names in letters that Python takes for others, and signs that look like operators."""
    variants = {
        letter: [
            chr(code)
            for code in (*range(0x1D400, 0x1D7CB), *range(0xFF21, 0xFF5B), *range(0x2100, 0x214F))
            if unicodedata.normalize("NFKC", chr(code)) == letter
        ]
        for letter in "aeglmnrstx"
    }
    for name in ("message", "level", "x", "len", "stream"):
        for index, letter in enumerate(name):
            for other in variants.get(letter, ())[:8]:
                odd = name[:index] + other + name[index + 1 :]
                yield from (f"{odd} == 1", f"x.{odd} == 1", f"{odd}(x)")
    for sign in "＝≠≤≥≪−∗∕∧∨¬∈∉“”‘’＂＇（）［］｛｝，．：；′″«»…·‐–—⁄×÷":
        yield from (f"x {sign} 1", f"x == {sign}a{sign}", f"{sign}x == 1", f"x{sign}y")
    for odd in "\0\x1b\x7f\x85\xa0\xad\ud800\udfff\uffff\U0010ffff" + INVISIBLE:
        yield from (f"x{odd} == 1", f"{odd}x == 1", f"x =={odd}1", f"x == 1{odd} and y == 1")
    for name in ("größe", "ß", "é", "е", "х", "ı", "ﬁeld", "名", "x²", "٣x", "𝔵", "ᵃ", "℘", "ªb"):
        yield from (f"{name} == 1", f"x.{name} == 1", f"{name}(x)")
    yield from ("'\\ud800' == x", "x == '\\udfff'", "'\\N{NULL' == x", "x == '\\x0'", "'\x00' == x")


def nested() -> Iterator[str]:
    pairs = (
        ("(", ")"), ("[", "]"), ("{", "}"), ("not (", ")"), ("-(", ")"), ("lower(", ")"),
        ("(x and ", ")"), ("(1 + ", ")"), ("x[", "]"), ("[y for y in ", "]"), ("lambda: ", ""),
        ("not ", ""), ("-", ""), ("~", ""), ("await ", ""), ("(yield ", ")"), ("f'{", "}'"),
        ("contains(", ", 'a')"), ("x if y else ", ""), ("(z := ", ")"), ("", ".a"), ("",
    ".lower()"),
        ("", "['a']"), ("", "[0]"), ("", "()"),
    )  # fmt: skip
    for count in (40, 100, 199, 500, 1000, 2500):
        for opening, closing in pairs:
            if opening not in ("(", "[") or count > 199:  # fewer brackets than that mean nothing
                yield opening * count + "x" + closing * count
        yield from ("(" * count, ")" * count, "[(" * count, "{[(" * count, "x" + "(" * count)


def enormous() -> Iterator[str]:
    yield from ("x" * 8193, "'" + "a" * 8192 + "'", " " * 8193, "x == '" + "☃" * 8192 + "'")
    yield from (sign.join(["x"] * 2600) for sign in ("+", "-", "<", "==", ">", "//", "%"))
    yield from (f" {word} ".join(["x<y"] * 900) for word in ("and", "or"))
    yield from (
        "x in (" + "1," * 3000 + ")",
        "x in [" + "'a'," * 2000 + "]",
        "lower(" + "x," * 2500,
    )
    yield from ("'a' " * 2100, "r''" * 2800, "x\n" * 4000, "\n" * 8193, ";" * 5000, "," * 5000)


def expressions() -> list[str]:
    families = (
        dunders, builtin_calls, methods, generated_names, forms, statements, look_alikes, nested,
        enormous,
    )  # fmt: skip
    return list(dict.fromkeys(text for family in families for text in family()))


EXPRESSIONS = expressions()

TEMPLATES = (
    "{", "}", "{}", "{x", "x}", "{{}", "{}}", "{x}}", "{{x}", "{x!r}", "{x!s}", "{x:>9}", "{0}{",
    "{x:>99999999999}", "{x.__class__}", "{x.__class__.__mro__[1]}", "{container.__init__}",
    "{message.__class__}", "{x[0].__class__}", "{x:{y}}", "{{{x.__class__}}}", "{x}{y}{", "{\n}",
    "{'a' * 99999999}", "{x ** 9}", "{f'{x}'}", "{lambda: x}", "{[y for y in x]}", "{open('x')}",
    "{(x := 1)}", "{x; y}", "{x}{__import__('os')}", "{'}", '{"}', "{'}'", "{#}", "{\\}", "{x\x00}",
    "{x}" * 101, "{x}" * 4000, "{" * 8001, "}" * 8001, "a" * 8193,
    "{" + "(" * 300 + ")" * 300 + "}",
    "{x" + ".a" * 3000 + "}", "{'\\N{NO SUCH}'}", "{ｘ}", "{x\u202e}", "{1e999}", "{(1, 2)}",
    "{x,}",
    "{=x}", "{x=}", "{*x}", "{**x}", "{...}", "{b'x'}", "{1j}", "{fields}", "{container}", "{ }",
)  # fmt: skip

HARMLESS = (
    "x['__class__'] == 1", "fields['__builtins__'] == 1", "'__import__' in fields",
    "x['__class__']['__mro__'] == 'a'", "container.labels['__class__'] == 'x'", "x._y == 1",
    "gi_frame.f_globals == 1", "x.format == 1", "x.f_back.f_builtins == 1", "mro == 'a'",
    "open == 1", "eval == 'x'", "os.system == 'id'", "message == '{0.__class__}'", "x == '%n%n%s'",
    "x == '${PATH}'", "x == '$(id)'", "x == '; rm -rf /'", "x == '\\x00'", "x == '\\u202e'",
    "x == 18446744073709551616", "x * y * z * 18446744073709551616 > 1e308", "-x // 1e-308 == 0",
    "x % 1e-308 == 1", "int(x) * int(x) * int(x) == 1", "float(x) / 1e-308 > 0", "x[-99999] == 1",
    "x[9999999999999999999] == 1", "len(x) > 18446744073709551616", "lower(upper(lower(x))) == ''",
    "x == y == z == message", "contains(x, x)", "x in y", "startswith(x, y)", "1 < x < y < 'a'",
    "matches(x, r'(?i)[\u0100-\U0010ffff]')", "matches(message, '')", "ip_in(x, '::/0')",
    "x <= x", "message in message", "time < 'z'", "-x", "+x", "x or y", "not x", "True", "None",
)  # fmt: skip

ATOMS = (
    "a",
    ".",
    r"\w",
    r"\d",
    "[ab]",
    "[^b]",
    "(?:ab|a)",
    r"\S",
    "[^\\W_]",
    "(?i:a)",
    "é",
    r"[\s\S]",
)
ENDLESS = (
    "({0}+)+", "({0}*)*", "({0}+)*", "(?:{0}*)+", "({0}|{0})*", "(?:{0}|{0}{0})+", "({0}+{0}+)+",
    "({0}+?)+?", "({0}*?)*", "(?P<n>{0}+)+", "((({0}+)))+", "(?=({0}+)+!)", "(?!({0}+)+!)",
    "(?:x?{0}+)+", "({0}+|x)+", "(?:{0}{{1,9}})+", "(?:{0}{{0,9}})*", "(({0}+)*)*", "(?>({0}+)+!)",
    "(?:(?:{0}+)++{0}?)*", "({0}+{0}?)+", "(?:^|{0}+)+", "(?m:^({0}+)+$)", "(?s:({0}+)+)",
)  # fmt: skip


def endless_patterns() -> Iterator[str]:
    """A group that repeats, and can match the same letters in more than one way."""
    for atom in ATOMS:
        for shape in ENDLESS:
            for beginning, end in (("", "!"), ("^", "$"), ("", r"\b!"), ("x*", "(?!y)z")):
                yield beginning + shape.format(atom) + end


def costly_patterns() -> Iterator[str]:
    """Many repeats that share their letters: the cube of the text and worse."""
    for atom in ATOMS:
        for repeat in ("*", "+", "*?", "+?", "{0,999}", "{1,}"):
            yield from (f"{atom}{repeat}" * count + "!" for count in (4, 9, 40))
        yield from ((f"{atom}?") * 60 + atom * 60, f"(?:{atom}{{0,99}}){{0,99}}{{0,0}}!" * 3)
