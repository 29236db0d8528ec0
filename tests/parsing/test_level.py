"""The level that a message tells is found in many messages as in each alone."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline import native
from pipeline.encode.level import UNKNOWN, WORDS
from pipeline.parsing.level import LevelInText
from tests.suite.examples import examples

WORD = st.sampled_from([word for some in WORDS.values() for word in some.split()])
CASED = st.builds(lambda word, case: case(word), WORD, st.sampled_from([str, str.upper, str.title]))
SIGNS = st.sampled_from(
    [
        "[", "]", "[ ", "[\t", "<", ">", ":", ": ", " ", "=", '"', "level", "LEVEL=", "lvl",
        "Severity", "log.level", "levelname:", "<34>", "<3>", "I0131 12:00:00", "E0131 12:00:00",
        "\x1b[31m",
        "\x1b[0m", "ER", "ROR", "x", "x" * 120, "x" * 126, "\n", "\n\tat a.B(C.java:1)",
        "a.b.Cd: x",
        "Traceback (most recent call last):", 'Exception in thread "main"', "é", "\xff", "30", "-",
        "  + Exception Group Traceback (most recent call last):", "10.0.0.1 - - [24/Nov/2026", "/",
    ]
)  # fmt: skip
LINES = st.lists(
    st.lists(SIGNS | CASED, max_size=6).map(lambda parts: "".join(parts).encode("latin-1")),
    min_size=1,
    max_size=3,
)


@settings(max_examples=examples(5000))
@given(LINES)
@example([b"x [ e]"])
@example([b"a [E] b"])
@example([b"<3>a", b"x"])
@example([b"E0131 12:00:00 x"])
@example([b"\x1b[31mER\x1b[0mROR x"])
@example([b"a.b.Cd: x\n\tat a.B(C.java:1)"])
@pytest.mark.parametrize("loops", ["C", "Python"])
def test_many_messages_tell_what_each_tells_alone(loops: str, lines: list[bytes]) -> None:
    find = LevelInText()
    with pytest.MonkeyPatch.context() as patch:
        if loops == "Python":
            patch.setattr(native, "loops", None)
        assert find.of_each(lines) == [find(line) for line in lines]


def test_messages_without_a_word_of_any_level_are_not_searched_one_by_one() -> None:
    class Searching(LevelInText):
        def __call__(self, line: bytes) -> int:
            raise AssertionError(line)

    access = b'10.0.0.1 - - [24/Nov/2026:08:00:00 +0000] "GET /items/1 HTTP/1.1" 200 12'
    assert Searching().of_each([access] * 3) == [UNKNOWN] * 3
    with pytest.raises(AssertionError):
        Searching({"get": 3}).of_each([access])
