"""What is personal or secret is found in a text, whatever stands around it."""

from __future__ import annotations

import json
import random
import re

import pytest

from pipeline.expression.patterns import compile_linear
from pipeline.stages import _redaction_kinds
from pipeline.stages._redaction import MOST_PLACES, is_local, own, replaced, unescaped
from pipeline.stages._redaction_keys import ASCII_IN_LOWER_CASE, MOST_TOKENS, named
from pipeline.stages._redaction_kinds import KINDS, What


def without(what: What, text: str) -> str:
    kind = KINDS[what]
    result = kind.replace(text, lambda thing: f"<{thing}>")
    assert result == text or kind.may_have(text), "the quick look has missed it"
    assert kind.may_be_in
    assert result == text or kind.may_be_in(f"1\n{text}\n1".encode()), "the look at bytes has"
    return result


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("to bob@example.com.", "to <bob@example.com>."),
        ("to=Bob.O+x@Sub.Example.co.uk,", "to=<bob.o+x@sub.example.co.uk>,"),
        ("?to=bob%40example.com&", "?to=<bob@example.com>&"),
        (r'{"to":"a\nbob@example.com"}', r'{"to":"a\n<bob@example.com>"}'),
        ("jürgen@bücher.de", "<jürgen@bücher.de>"),
        ("a@b @ @example.com a@b.c x@y.1", "a@b @ @example.com a@b.c x@y.1"),
        ('{"@timestamp":"2026"}', '{"@timestamp":"2026"}'),
    ],
)
def test_addresses_of_mail(text: str, result: str) -> None:
    assert without("email", text) == result


@pytest.mark.parametrize(
    "number",
    [
        "4111111111111111", "4111 1111 1111 1111", "4111-1111-1111-1111", "378282246310005",
        "3782 822463 10005", "5555555555554444", "2223003122003222", "6011111111111117",
        "30569309025904", "3530111333300000", "6200000000000005", "4222222222222",
        "4000000000000000006", "2200 0000 0000 0053", "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
    ],
)  # fmt: skip
def test_numbers_of_cards(number: str) -> None:
    digits = re.sub(r"\D", "", number)
    for before, behind in [
        ("", ""), ("card: ", "."), ('"', '"'), ("2026-01-31 ", " 12"), (r"\n", r"\n"), ("=", "-"),
        ("12 ", ", 13"), ("pan_", "_x"),
    ]:  # fmt: skip
        assert without("card", before + number + behind) == f"{before}<{digits}>{behind}"


@pytest.mark.parametrize(
    "text",
    [
        "4111111111111112", "1769817599123", "1769817599123456789", "0.4532015112830366",
        "a4111111111111111", "4111111111111111b", "41111111111111111111111", "4111 1111 1111",
        "2026-01-31 12:00:00", "4111  1111  1111  1111", "7111111111111111", "0000000000000000",
        "1 411111111117", "4000 0000 0000 0000 0002",
    ],
)  # fmt: skip
def test_numbers_that_are_none(text: str) -> None:
    assert without("card", text) == text


def test_two_cards_and_the_check_number_behind() -> None:
    text = "4111 1111 1111 1111 123 5555-5555-5555-4444"
    assert without("card", text) == "<4111111111111111> 123 <5555555555554444>"


def test_every_card_with_a_right_check_digit_is_found_and_no_other() -> None:
    draw = random.Random(1)
    for _ in range(2000):
        front = "4" + "".join(draw.choices("0123456789", k=14))
        good = [last for last in "0123456789" if _luhn(front + last)]
        assert len(good) == 1
        for last in "0123456789":
            assert ("<" in without("card", front + last)) == (last in good)


def _luhn(digits: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("from 10.0.0.1:8080", "from <10.0.0.1>:8080"),
        ("10.0.0.1/24, 255.255.255.255.", "<10.0.0.1>/24, <255.255.255.255>."),
        (r'"a\n10.0.0.1"', r'"a\n<10.0.0.1>"'),
        ("v1.2.3.4 1.2.3.4.5 1.2.3 256.1.1.1", "v1.2.3.4 1.2.3.4.5 1.2.3 256.1.1.1"),
        ("[2001:db8::1]:443", "[<2001:db8::1>]:443"),
        ("2001:db8:0:0:0:0:0:1", "<2001:db8:0:0:0:0:0:1>"),
        ("2001:db8:0:0:0:0:0:1:8080", "<2001:db8:0:0:0:0:0:1>:8080"),
        ("addr:2001:db8::1: gone", "addr:<2001:db8::1>: gone"),
        ("fe80::1%eth0 ::1 ::ffff:10.0.0.1", "<fe80::1>%eth0 <::1> <::ffff:10.0.0.1>"),
        ("12:34:56 std::deque core::fe :: 00:11:22:33:44:55", None),
        ('{"a":1,"b":"12:34:56:78"}', None),
        ("cafe:2001:db8:0:0:0:0:0:a", "cafe:<2001:db8:0:0:0:0:0:a>"),
        ("cafe:1:2:3:4:5:::a 12:::42", None),
        ('"ip":2001:db8::1,"to":::ffff:10.0.0.1', '"ip":<2001:db8::1>,"to":<::ffff:10.0.0.1>'),
        ("cafe:1:2:3:4:5:6:10.0.0.1", "cafe:<1:2:3:4:5:6:10.0.0.1>"),
    ],
)
def test_addresses_of_the_internet(text: str, result: str | None) -> None:
    assert without("ip", text) == (text if result is None else result)


JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P"


@pytest.mark.parametrize(
    ("what", "text", "result"),
    [
        ("jwt", f"token={JWT};", f"token=<{JWT}>;"),
        ("jwt", f"foo.bar.com.{JWT}", f"foo.bar.com.<{JWT}>"),
        ("jwt", f"jwt_{JWT}", f"jwt_<{JWT}>"),
        ("jwt", "eyJhbGciOiJub25lIn0.e30.", "<eyJhbGciOiJub25lIn0.e30.>"),
        ("jwt", "eyJab.b..d.e", "<eyJab.b..d.e>"),
        ("jwt", "eyJhbGci.x keyJ", None),
        ("aws_key", "key=AKIAIOSFODNN7EXAMPLE,", "key=<AKIAIOSFODNN7EXAMPLE>,"),
        ("aws_key", "xASIAIOSFODNN7EXAMPLE", "x<ASIAIOSFODNN7EXAMPLE>"),
        ("aws_key", "AKIAIOSFODNN7EXAMPL AKIAIOSFODNN7EXAMPLEX", None),
        ("bearer", "Authorization: Bearer abc123.~+/=x", "Authorization: Bearer <abc123.~+/=>x"),
        ("bearer", r'"BEARER a1b2\/c3=="', r'"BEARER <a1b2\/c3==>"'),
        ("bearer", r'"a\tBearer abc123"', r'"a\tBearer <abc123>"'),
        ("bearer", r'"Bearer \"abc123\n"', r'"Bearer \"<abc123\n>"'),
        ("bearer", "bearer=a1 bearer%20b2", "bearer=<a1> bearer%20<b2>"),
        ("bearer", "bearer Bearer abc123", "bearer Bearer <abc123>"),
        ("bearer", "the bearer of bad news, bearer authentication failed", None),
        ("bearer", "Bearer " + "a" * 20, f"Bearer <{'a' * 20}>"),
    ],
)
def test_credentials(what: What, text: str, result: str | None) -> None:
    assert without(what, text) == (text if result is None else result)


HOSTILE = (
    "4 ", "4-4", "eyJ", "eyJ.", "a@", "a@a.", "%40", ":", "a:", "1.", "::", "bearer ", "bearer  a",
    "AKIA", "1", "\\n", "\\", "\\u0040", "a.", "-", "_", "a%40a", "AKIA0000000000000000", "f:f",
)  # fmt: skip


@pytest.mark.parametrize("part", HOSTILE)
def test_no_text_takes_more_than_its_length(part: str) -> None:
    """A search whose time grew with the square of the text would take for ever here."""
    for text in (part * 100_000 + "!", "x" + part * 100_000 + "\n"):
        for kind in KINDS.values():
            kind.may_have(text)
            kind.replace(unescaped(text), lambda thing: "x")


PARTS = (
    "bob", "@", "%40", "example", ".", "com", " ", "-", "4111", "1111 1111", "4111111111111111",
    "1", "10.0.0.1", "::", "2001:db8", ":", "fe80::1", "eyJhbGci", "eyJ", "Bearer ", "abc1",
    "AKIAIOSFODNN7EXAMPLE", '"', "\\", "\n", "\t", "é", "_", "/", "=", ",", "3782 822463 10005",
)  # fmt: skip


def test_what_is_found_in_a_text_is_found_in_the_json_that_holds_it() -> None:
    draw = random.Random(7)
    for _ in range(5000):
        text = "".join(draw.choices(PARTS, k=draw.randrange(1, 12)))
        written = json.dumps(text, ensure_ascii=False)
        for what, kind in KINDS.items():
            if without(what, text) != text:
                assert kind.may_be_in
                assert kind.may_be_in(written.encode()), (what, text)
                assert kind.may_have(written), (what, text)
                assert without(what, written) != written, (what, text)


def test_the_search_for_addresses_of_mail_leaves_out_nothing_that_the_pattern_matches() -> None:
    draw = random.Random(8)
    parts = (*PARTS, "%4", "+", "é@é.ée", "\\n", "bob@example.com", "bob%40example.com")
    found = 0
    for _ in range(5000):
        text = "".join(draw.choices(parts, k=draw.randrange(1, 16)))
        wanted = replaced(
            _redaction_kinds._EMAIL,
            text,
            lambda match: f"<{match[0].replace('%40', '@').lower()}>",
            str,
        )
        assert without("email", text) == wanted
        found += wanted != text
    assert found > 1000


def test_the_search_for_cards_leaves_out_no_run_of_digits_that_has_one() -> None:
    draw = random.Random(9)
    parts = (*PARTS, "1 1 1 1 1 1 1", "4222222222222", "3782-822463-10005", "17646012001234", "  ")
    found = 0
    for _ in range(5000):
        text = "".join(draw.choices(parts, k=draw.randrange(1, 16)))
        result = without("card", text)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(_redaction_kinds, "_runs", _redaction_kinds._RUN.finditer)
            assert without("card", text) == result
        found += result != text
    assert found > 500


def test_json_is_read_as_what_it_says() -> None:
    assert unescaped(r"bob\u0040example.com \u0022 \u00e9 \\u0041") == (
        r"bob@example.com \u0022 \u00e9 A"
    )


def test_patterns_of_ones_own() -> None:
    kind = own(compile_linear(r"(?<=secret=)\S+"))
    assert kind.replace("a secret=b secret=c", lambda thing: f"<{thing}>") == (
        "a secret=<b> secret=<c>"
    )


@pytest.mark.parametrize(
    "pattern", [r"secret=\S+", r"a[^b]*b", r"(?:x|y)\d{2}", r"(?P<a>x)", r"\["]
)
def test_a_pattern_that_looks_at_nothing_else_is_local(pattern: str) -> None:
    assert is_local(pattern)


@pytest.mark.parametrize(
    "pattern",
    ["^a", "a$", r"\bx", r"x(?!\s)", r"(?<=a)b", r"a++b", r"(?i)a", r"\[^a", "(?>a)", r"a\Z"],
)
def test_one_that_looks_around_is_not(pattern: str) -> None:
    assert not is_local(pattern)


# ----------------------------------------------------------- texts that are made to take long


@pytest.mark.fault(137)
@pytest.mark.parametrize(
    ("what", "part"),
    [
        ("email", "a@bb.cc "),
        ("ip", "1.2.3.4 "),
        ("ip", "1:2:3:4:5:6:7:8 "),
        ("jwt", "eyJa.b.c "),
        ("aws_key", "AKIAIOSFODNN7EXAMPLE "),
        ("bearer", "bearer abc1 "),
        ("card", "4111111111111111,"),
    ],
)
def test_behind_more_than_anybody_writes_of_one_kind_all_is_replaced(what: What, part: str) -> None:
    kind, last = KINDS[what], "and this"
    few, many = part * 1000 + last, part * MOST_PLACES + last
    assert kind.replace(few, lambda thing: "#").endswith(last)
    result = kind.replace(many, lambda thing: "#")
    assert result.endswith("#")
    assert last not in result
    assert part.strip(" ,") not in result


def test_long_runs_of_digits_that_cannot_be_cards_stay() -> None:
    times = ",".join(str(1_700_000_000_000_000_000 + number) for number in range(10_000))
    assert without("card", times) == times
    assert without("card", "4" * 200_000) == "4" * 200_000
    dashes = KINDS["card"].replace("x " + "4-" * 100_000, lambda thing: "#")
    assert dashes == "x #"


def test_more_values_of_names_than_anybody_writes_are_replaced_with_all_behind_them() -> None:
    kind = named(["password"])
    result = kind.replace("password=v " * (MOST_PLACES + 5) + "and this", lambda thing: "#")
    assert result.endswith("password=#")
    assert "this" not in result
    deep = '{"password":' + "[" * MOST_TOKENS + "]" * MOST_TOKENS + ',"b":"c"}'
    assert kind.replace(deep, lambda thing: "#") == '{"password":"#"'


def test_no_other_characters_are_letters_of_ascii_in_lower_case() -> None:
    beyond = map(chr, [*range(128, 0xD800), *range(0xE000, 0x110000)])
    found = [one for one in beyond if any(letter.isascii() for letter in one.lower())]
    assert [one.encode() for one in found] == list(ASCII_IN_LOWER_CASE)
