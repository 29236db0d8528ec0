"""Lines for people: readable, and harmless to a terminal."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.encode.text import TextEncoder
from pipeline.testing.builders import batch, container
from pipeline.testing.hostile import hostile

COLOUR = re.compile(rb"\x1b\[[0-9;:]*m")


def message(line: bytes, *, color: bool) -> bytes:
    (found,) = TextEncoder(color=color).encode([batch(line)]).split(b"\n")[:-1]
    return found.split(b"|\x1b[0m " if color else b" | ", 1)[1]


def test_a_plain_line_has_the_whole_time_and_the_stream() -> None:
    data = TextEncoder(color=False).encode([batch(b"a", b"b", b"c", streams="out err none")])
    assert data.decode().splitlines() == [
        "2026-01-31T23:59:59.000000000Z api-1 stdout | a",
        "2026-01-31T23:59:59.000001000Z api-1 stderr | b",
        "2026-01-31T23:59:59.000002000Z api-1 | c",
    ]


def test_a_coloured_line_has_milliseconds_of_local_time_and_a_red_bar_for_stderr() -> None:
    first, second = (
        TextEncoder(color=True).encode([batch(b"a", b"b", streams="out err")]).splitlines()
    )
    assert re.fullmatch(rb"\d\d:\d\d:59\.000 \x1b\[\d\dmapi-1 \|\x1b\[0m a", first)
    assert re.fullmatch(rb".*\x1b\[\d\dmapi-1 \x1b\[31m\|\x1b\[0m b", second)


def test_a_container_keeps_its_colour() -> None:
    encoder = TextEncoder(color=True)
    lines = [encoder.encode([batch(b"x", of=container(number=n))]) for n in [1, 2] * 5]
    painted = {COLOUR.findall(line)[0] for line in lines}
    assert len(painted) == 2


def test_entries_without_a_message_show_their_fields() -> None:
    entries = batch(b"ignored", fields=[{"status": 500}], bare=True)
    assert TextEncoder(color=False).encode([entries]).endswith(b' | {"status":500}\n')


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
def test_only_colours_survive_and_only_on_a_terminal(
    line: bytes, plain: bytes, coloured: bytes
) -> None:
    assert message(line, color=False) == plain
    assert message(line, color=True) == coloured


@given(st.binary() | st.text(st.sampled_from("\x1b[]0;mHJ\x07\\ ")).map(str.encode))
def test_no_line_can_command_a_terminal(line: bytes) -> None:
    left = COLOUR.sub(b"", message(line, color=True))
    assert not re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", left)


@pytest.mark.parametrize("color", [True, False])
def test_hostile_batches_are_one_line_per_entry(color: bool) -> None:
    data = TextEncoder(color=color).encode(hostile())
    assert data.count(b"\n") == sum(map(len, hostile()))
