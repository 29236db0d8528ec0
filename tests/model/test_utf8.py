"""What is not UTF-8 becomes U+FFFD, and the rest stays as it is."""

from __future__ import annotations

import pytest

from pipeline.model.utf8 import utf8, utf8_lines, without_surrogates


@pytest.mark.parametrize(
    ("text", "valid"),
    [("", ""), ("é☃😀", "é☃😀"), ("a\ud800b", "a\ufffdb"), ("\udc00😀\ud83d", "\ufffd😀\ufffd")],
)
def test_of_a_text_lone_surrogates_are_replaced(text: str, valid: str) -> None:
    assert utf8(text).decode() == without_surrogates(text) == valid


@pytest.mark.parametrize("lines", [[], [b"a", b""], ["é".encode(), b"a\0"]])
def test_lines_that_are_utf8_are_the_same_list(lines: list[bytes]) -> None:
    assert utf8_lines(lines) is lines


def test_each_line_is_valid_by_itself() -> None:
    first, second = "é".encode()[:1], "é".encode()[1:]
    found = utf8_lines([first, second, "é".encode(), b"a"])
    assert [line.decode() for line in found] == ["\ufffd", "\ufffd", "é", "a"]
