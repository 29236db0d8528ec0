"""What a container writes can't command the terminal of whoever watches."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.encode.harmless import harmless


@pytest.mark.parametrize(
    ("line", "plain", "coloured"),
    [
        (b"\x1b[1;32mok\x1b[0m", b"ok", b"\x1b[1;32mok\x1b[0m\x1b[0m"),
        (b"\x1b[2Jgone\x1b[H", b"gone", b"gone\x1b[0m"),
        (b"\x1b]0;title\x07x\x1b]52;c;Zm9v\x1b\\y", b"xy", b"xy\x1b[0m"),
        (b"\x1bcreset\x1b", b"reset", b"reset\x1b[0m"),
        (b"a\rb\x08c\x00d\te", b"a b c d\te", b"a b c d\te"),
        (b"\xc2\x9b2J", b" 2J", b" 2J"),
        (b"a\nb", b"a b", b"a b"),
    ],
)
def test_only_colours_survive_and_only_where_they_are_wanted(
    line: bytes, plain: bytes, coloured: bytes
) -> None:
    assert harmless(line, color=False) == plain
    assert harmless(line, color=True) == coloured


@given(st.binary() | st.text(st.sampled_from("\x1b[]0;mHJ\x07\\ ")).map(str.encode))
def test_no_text_can_command_a_terminal(text: bytes) -> None:
    left = re.sub(rb"\x1b\[[0-9;:]*m", b"", harmless(text, color=True))
    assert not re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", left)
    assert b"\x1b" not in harmless(text, color=False)
