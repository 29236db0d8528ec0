"""A line says what it is, and only a whole one does."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.chaos.talk import SCRIPT, SCRIPT_PATH, Line, Talker, line


@pytest.mark.server
def test_what_a_container_writes_can_be_told_apart(tmp_path: Path) -> None:
    script = tmp_path / "talk.awk"
    script.write_bytes(SCRIPT)
    talker = Talker("c1", "both", 7, size=20, errors=3, burst=2, pause=0.01, status=4)
    command = [str(script) if word == SCRIPT_PATH else word for word in talker.command()]
    done = subprocess.run(["busybox", *command], capture_output=True, check=False)
    assert done.returncode == 4
    out = [line(text) for text in done.stdout.splitlines()]
    err = [line(text) for text in done.stderr.splitlines()]
    assert [one and (one.name, one.stream, one.number) for one in (*out, *err)] == [
        *((b"c1", b"o", number) for number in range(1, 6)),
        *((b"c1", b"e", number) for number in range(1, 3)),
    ]
    assert len({one.run for one in (*out, *err) if one}) == 1


def test_a_whole_line() -> None:
    assert line(b"c1 77 o 5 3 xxx.") == Line(b"c1", 77, b"o", 5)


@pytest.mark.parametrize("whole", [b"c1 77 o 5 3 xxx.", b"c1 77 e 12 0 ."])
def test_a_line_that_was_cut_anywhere_is_none(whole: bytes) -> None:
    cuts = [(a, b) for a in range(len(whole)) for b in range(a, len(whole) + 1)]
    parts = [whole[a:b] for a, b in cuts if (a, b) != (0, len(whole))]
    named = [found for part in parts if (found := line(part)) and found.name == b"c1"]
    assert named == []


@pytest.mark.parametrize(
    "text", [b"", b"c1 77 o 5 3 xx.", b"c1 77 o 5 3 xxx.c1 77 o 6 3 xxx.", b"c1 77 o 0 0 ."]
)
def test_anything_else_is_none(text: bytes) -> None:
    assert line(text) is None
