"""A word that occurs in a text is found in C wherever Python finds it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import native
from tests.native.examples import examples

WORDS = st.lists(
    st.sampled_from([b"password", b"pd", b"p", b"\n\tat ", b"%40", b"", b"@{", b"\xe9"])
)
PARTS = st.lists(
    st.sampled_from(
        [b"Pass", b"word", b"PASSWORD", b"p", b"P", b"d", b"\n\tAT ", b"%40", b"`", b"@", b"[",
         b"{", b"\x00", b"\x10", b"\t", b"\xc9", b"\xe9", b"x" * 63, b"x" * 64, b"pxxxxxxd"]
    )
    | st.binary(max_size=3),
    max_size=12,
).map(b"".join)  # fmt: skip


@settings(max_examples=examples(2000))
@given(PARTS, WORDS.map(tuple))
def test_words_are_found_in_either_case(c: native.Loops, text: bytes, words: tuple[bytes]) -> None:
    small = text.lower()
    assert c.mentions(text, words) == any(word in small for word in words)


@pytest.mark.parametrize("length", [1, 2, 8, 64, 65])
def test_a_word_is_found_at_every_place(c: native.Loops, length: int) -> None:
    word = b"a" + b"b" * (length - 1)
    for size in range(140):
        for place in range(size + 1):
            text = b"." * place + word.upper() + b"." * (size - place)
            assert c.mentions(text, (b"nothing", word))
            assert not c.mentions(text[:place] + word[1:] + text[place + length :], (word,))


@pytest.mark.parametrize("odd", [("text", ()), (b"text", [b"a"]), (b"text", ("a",)), (None, ())])
def test_what_is_not_bytes_is_an_error(c: native.Loops, odd: tuple[object, object]) -> None:
    with pytest.raises(TypeError):
        c.mentions(*odd)  # type: ignore[arg-type]


def test_either_loops_are_asked_by_one_name(monkeypatch: pytest.MonkeyPatch) -> None:
    for loops in (native.loops, None):
        monkeypatch.setattr(native, "loops", loops)
        assert native.mentions(b"a PassWord", (b"no", b"password"))
        assert not native.mentions(b"a PassWord", (b"no",))
