"""Regular expressions: which are refused, and what those that are not may cost."""

from __future__ import annotations

import contextlib
import random
import re
import time

import pytest

from pipeline.expression import steps
from pipeline.expression.patterns import _from_where_it_begins, compile_pattern
from pipeline.model.errors import ConfigError

LINEAR = (
    "error|fatal|panic", r"GET /api/v\d+/(orders|carts)", r"level=(\w+)", r"(\d{1,3}\.){3}\d{1,3}",
    r'^(?P<ip>\S+) \S+ \S+ \[(?P<time>[^\]]+)\] "(?P<method>\w+) (?P<path>\S+) [^"]*" \d+',
    r"^(?:\w+\.)*$", r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)? ERROR",
    "^(?:foo|foobar)*x", "^(?:[^\"\\\\]|\\\\.)*$", "^(?>a+)b", "(?i)^x[a-z]+[0-9]", "a|(?!)", "",
    r'(?i)^"(?:[^"\\]|\\.)*"', "^(?:(?:info|INFO|warn|WARN) ?)*:", "(?i)^(?:(?:info|warn) ?)*:",
    r"^a?b?c?d?e?f?g?h?=\w+!", r"(?<!\\)\\+u0041", r"(?<=[ =])\w+:",
)  # fmt: skip
"""Steps grow with the text."""

SQUARE = (
    r"\[[^\]]*\]", "error.*timeout", r"\s+$", r"\d+ms", r"(\w+) (\w+)", r"(?:\w+\.)+\w+",
    r'(?:[^"\\]|\\.)*"', r"\[(?P<time>.*)\] (?P<level>\w+): (?P<text>.*)", "^(.*) - (.*) - (.*)",
    "(?:a++)+$", r"\b\w+\b", r'(?P<ip>\d+\.\d+\.\d+\.\d+) .* "(?P<method>\w+)',
    "(?i)(GET|PUT|POST|PATCH|DELETE) .*x", r"(?P<key>\w+)=\"(?P<value>[^\"]*)\"",
    r"^\s*at (?P<function>\S+)\((?P<file>[^:]+):\d+\)$", r"(?<!ab)\w+:", r"(?<!a)\w+:",
)  # fmt: skip
"""Steps can grow with the square of the text."""

ENDLESS = (
    "(a+)+$", "(a*)*b", r"(\w+\s?)*x", "(a|a)*$", "(a|aa)+$", "(.*)*x", "(x+x+)+y",
    "(?:(?:a*)b?)*c", "(?=(a+)+$)b", "(?:a|b|ab)*c", "([a-zA-Z]+)*$", "^(([a-z])+.)+[A-Z]([a-z])+$",
    "(?i)(?:A+b?a)*x", r"(?:é+\w)*x", "(?:a{1,5})*x", r"(?:\d|[0-4]5)*x", "(?:(?:b*+)*a)*x",
    r"(?:x(?:\b)*)*y", "(?s:(?:.|\n)*)x", "(?:a?)*x", "(?!(a+)+$)x", "(?>(a+)+)$",
    "(?i)(?:ka?|\u212a)*x", "(?i)(?:sa?|[\u0100-\u0200])*x",
    "(?i)^(?:(?:info|INFO|warn|WARN) ?)*:", "^(?i:(?:(?:ax|AX) ?)*)y",
    "(?i)^(?:(?:k|\u212aa?)+ ?)*y",
)  # fmt: skip
"""Steps can double with each character."""

CUBIC = (
    ".*.*.*x", "^(.*?) (.*?) (.*?) (.*)x$", "(?:(?:.*)(?:.*))(?:.*)=", r"^a+?(?!\w+$).*b.*$",
    "(a{1,100}){1,100}x", "^(a?){50}a{50}$", "a?" * 40 + "a" * 40, r"(?:\w+ ?){2,9}x", "(.*,){11}x",
    "^" + "a?" * 20 + r"=\w+!", "^" + "(?:ab?)?" * 20 + r"=\w+!", "^(?:a{0,3}){8}=[^=]*!",
)  # fmt: skip
"""Steps can grow with the cube of the text, or by a large factor."""

HARD_TEXTS = ("a", "ab", " ", "0", "a ", "a.", "ab c", '\\"', "] ", "1.", "- ", '="', "GET ")


def hard_texts(length: int) -> list[str]:
    return [(part * length)[: length - 1] + end for part in HARD_TEXTS for end in ("!", "\n", "x")]


@pytest.mark.parametrize("pattern", LINEAR)
def test_a_pattern_whose_steps_grow_with_the_text_is_tried_on_any_text(pattern: str) -> None:
    assert steps.of_search(pattern) <= steps.LINEAR
    search = compile_pattern(pattern).search
    for text in hard_texts(20 * steps.LONGEST):
        search(text)
    assert search == re.compile(pattern).search


@pytest.mark.parametrize("pattern", SQUARE)
def test_one_whose_steps_grow_with_the_square_is_tried_on_texts_up_to_a_length(
    pattern: str,
) -> None:
    assert steps.LINEAR < steps.of_search(pattern) <= steps.MOST_STEPS
    search = compile_pattern(pattern).search
    for text in hard_texts(1000):
        search(text)
    assert compile_pattern("b.*c").search("b" * (steps.LONGEST - 1) + "c")
    assert not compile_pattern("b.*c").search("b" * steps.LONGEST + "c")


@pytest.mark.parametrize("pattern", ENDLESS)
def test_one_whose_steps_can_double_with_each_character_is_refused(pattern: str) -> None:
    re.compile(pattern)
    with pytest.raises(ConfigError, match="more than one way"):
        compile_pattern(pattern)


@pytest.mark.parametrize("pattern", CUBIC)
def test_one_with_too_many_repeats_that_share_characters_is_refused(pattern: str) -> None:
    re.compile(pattern)
    with pytest.raises(ConfigError, match="too many repeats"):
        compile_pattern(pattern)


@pytest.mark.parametrize(
    ("pattern", "part"),
    [
        (r"(a)\1", "refer back"),
        ("(a)?(?(1)b|c)", "refer back"),
        ("[", "cannot be read"),
        ("a{99999999999}", "cannot be read"),
        ("(?<=a+)b", "cannot be read"),
        ("a" * 4097, "longer than"),
        ("(" * 1500 + ")" * 1500, "nested too deeply"),
        ("\b", "backspace"),
    ],
)
def test_what_is_wrong_otherwise_is_told(pattern: str, part: str) -> None:
    with pytest.raises(ConfigError, match=part):
        compile_pattern(pattern)


def test_named_groups_are_known() -> None:
    pattern = compile_pattern(r"(?P<level>\w+) (?P<text>.*)")
    assert list(pattern.groups) == ["level", "text"]
    found = pattern.search("info a")
    assert found is not None
    assert found["text"] == "a"


BEGINNING = (
    r"\w+=\d+", r"(?P<key>\w+)=(?P<value>\S+) ", r"\d+ms", r"\s+$", r"(?i)[a-z0-9_]+: x",
    r"\S+@\w+!",
)  # fmt: skip
"""Begin with a repeat, and would take the square of the text from each of its characters."""


@pytest.mark.parametrize("pattern", BEGINNING)
def test_one_that_begins_with_a_repeat_is_looked_for_where_that_begins(pattern: str) -> None:
    assert steps.of_search(pattern) > steps.LINEAR
    search = compile_pattern(pattern).search
    before = time.thread_time()
    for text in hard_texts(steps.LONGEST):
        search(text)
    search("a" * 10**6)
    assert time.thread_time() - before < 2


def test_what_is_found_there_is_what_is_found_anyway() -> None:
    choose = random.Random(3)
    rewritten = 0
    for _ in range(250):
        lead = choose.choice([r"\w", r"\d", r"\S", "[a-b =]", "[^a]"]) + choose.choice("+*")
        lead = choose.choice([lead, f"({lead})", f"(?P<x>{lead}b)", f"(?:{lead}|b)", f"({lead})*"])
        rest = random_pattern(choose).replace("(?i)", "").replace("(?s)", "")
        text = choose.choice(["", "(?i)"]) + lead + choose.choice(["", "=", "?"]) + rest
        try:
            steps.of_search(text)
        except (ConfigError, re.error):
            continue
        sooner = _from_where_it_begins(text)
        if sooner is None:
            continue
        rewritten += 1
        for _ in range(20):
            line = "".join(choose.choice("abA 1=\n") for _ in range(choose.randrange(12)))
            expected, found = re.search(text, line), sooner.search(line)
            assert (found and (found.span(), found.groups())) == (
                expected and (expected.span(), expected.groups())
            ), (text, line)
    assert rewritten > 30


WORDS = ("info", "INFO", "Info", "ab", "aB", "a", "A", "aa")
SINGLE = ("a", "b", "A", ".", r"\w", r"\s", "[ab]", "[^a]", " ", "=", "k", "\u212a")


def random_pattern(choose: random.Random) -> str:
    """Of what is ambiguous: nested repeats, words in two cases, chains of what may be missing."""

    def some(depth: int) -> str:
        kind = choose.random()
        if depth == 0 or kind < 0.3:
            return choose.choice([*SINGLE, r"\b", "$", "(?<!a)", r"(?<=\s)", r"(?<!\w)"])
        if kind < 0.4:
            return "".join(some(depth - 1) for _ in range(choose.randrange(1, 4)))
        if kind < 0.5:
            return chain()
        if kind < 0.6:
            words = "|".join(choose.choice(WORDS) for _ in range(choose.randrange(2, 4)))
            return f"(?:{words}){choose.choice(['', ' ?'])}"
        if kind < 0.9:
            repeat = choose.choice(["*", "+", "?", "*?", "+?", "{2,4}", "{0,30}", "*+", "{3}"])
            return f"(?{choose.choice(['', 'i', 's', '-i'])}:{some(depth - 1)}){repeat}"
        if kind < 0.95:
            return f"(?:{some(depth - 1)}|{some(depth - 1)})"
        return f"({choose.choice(['?=', '?!', '?>'])}{some(depth - 1)})"

    def chain() -> str:
        parts = [choose.choice(SINGLE), f"(?:{choose.choice(SINGLE)}{choose.choice(SINGLE)}?)"]
        ends = ["?", "??", "{0,2}", "{0,3}", "{1,2}"]
        return (choose.choice(parts) + choose.choice(ends)) * choose.randrange(1, 14)

    begin = choose.choice(["", "^", "(?i)", "(?i)^", "(?s)"])
    return begin + some(3) + some(3) + choose.choice(["", "!", "$", r"=\w+!", r"=\S*:"])


def test_random_patterns_that_are_accepted_come_to_an_end() -> None:
    """An exponential one among them would never end on texts of 300 characters."""
    choose = random.Random(7)
    accepted = 0
    for _ in range(200):
        try:
            search = compile_pattern(random_pattern(choose)).search
        except ConfigError:
            continue
        accepted += 1
        for part in ("a", " ", "a ", "aab", "aA", "infoINFO"):
            search((part * 300)[:299] + choose.choice("!\n"))
    assert accepted > 80


def test_random_patterns_take_no_more_than_their_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the CPU of this thread: 31 ns for each step were the most that was ever measured."""
    length, most = 2000, 3 * 10**6
    monkeypatch.setattr(steps, "LONGEST", length)
    choose = random.Random(11)
    patterns = ["^" + "a?" * 20 + r"=\w+!", *(random_pattern(choose) for _ in range(300))]
    checked = 0
    for pattern in patterns:
        with contextlib.suppress(ConfigError):
            if (bound := steps.of_search(pattern)) > most:
                continue
            search = re.compile(pattern).search
            checked += 1
            for text in ("a" * 10 + "=" + "a" * length, "aA" * length, "a =" * length):
                before = time.thread_time()
                search(text[: length - 1] + "\n")
                assert time.thread_time() - before < 0.1 + 120e-9 * bound, pattern
    assert checked > 120
