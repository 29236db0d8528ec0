"""`dockline audit`."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli import main

ID = "0123456789abcdef" * 4


def entry(number: int, name: str = "shop-api-1", **event: object) -> dict[str, Any]:
    return {
        "@timestamp": f"2026-01-31T23:59:{number:02d}.000000000Z",
        "container": {"id": ID if name == "shop-api-1" else name, "name": name},
        "event": {"sequence": number, "dataset": "docker.logs", **event},
    }


def lines(*entries: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in entries)


def written(folder: Path, content: bytes, name: str = "export.json") -> str:
    (folder / name).write_bytes(content)
    return str(folder / name)


def test_a_store_that_has_everything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = written(tmp_path, lines(*map(entry, (3, 1, 2)), entry(1, "worker")))
    assert main(["audit", "--verify", file]) == 0
    assert capsys.readouterr() == (
        "shop-api-1 0123456789ab: 3 entries, 1 to 3; complete\n"
        "worker worker: 1 entry, 1; complete\n"
        "total: 2 containers, 4 entries; complete\n",
        "",
    )


def test_what_is_missing_and_what_came_twice_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path, lines(*map(entry, (5, 9, 6, 10, 5)), entry(2, dataset="docker.stats")))
    assert main(["audit", "--verify", file]) == 1
    assert capsys.readouterr().out == (
        "shop-api-1 0123456789ab: 5 entries, 5 to 10, begins at 5; 2 missing, 1 repeated\n"
        "  missing 7 to 8, between 2026-01-31T23:59:06.000000000Z and "
        "2026-01-31T23:59:09.000000000Z\n"
        "  repeated 5\n"
        "shop-api-1 0123456789ab (docker.stats): 1 entry, 2, begins at 2; complete\n"
        "total: 1 container, 6 entries; 2 missing, 1 repeated\n"
    )


def test_a_beginning_at_another_number_is_said_and_is_no_gap(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", "--verify", written(tmp_path, lines(entry(8), entry(9)))]) == 0
    assert "8 to 9, begins at 8; complete" in capsys.readouterr().out


def test_of_many_gaps_some_are_printed_and_json_has_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path, lines(*map(entry, range(1, 60, 2)), *map(entry, range(1, 60, 4))))
    assert main(["audit", "--verify", file]) == 1
    out = capsys.readouterr().out.splitlines()
    assert (len(out), out[11], out[22]) == (
        24,
        "  … and 19 more such places; --json has all",
        "  … and 5 more such places; --json has all",
    )
    assert main(["audit", "--json", "--verify", file]) == 1
    [found] = json.loads(capsys.readouterr().out)["containers"]
    assert [gap["first"] for gap in found["gaps"]] == list(range(2, 59, 2))
    assert [one["first"] for one in found["repeats"]] == list(range(1, 60, 4))


def test_json_is_for_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = written(tmp_path, lines(entry(1), entry(3), entry(3)) + b"rubbish\n")
    assert main(["audit", "--verify", file, "--json"]) == 1
    out, error = capsys.readouterr()
    found = json.loads(out)
    [rubbish] = found.pop("rubbish")["first"]
    assert (rubbish["file"], rubbish["line"]) == (file, 4)
    assert found == {
        "complete": False,
        "containers": [
            {
                "id": ID,
                "name": "shop-api-1",
                "dataset": "docker.logs",
                "entries": 3,
                "first": 1,
                "last": 3,
                "missing": 1,
                "gaps": [
                    {
                        "first": 2,
                        "last": 2,
                        "after": "2026-01-31T23:59:01.000000000Z",
                        "before": "2026-01-31T23:59:03.000000000Z",
                    }
                ],
                "repeated": 1,
                "repeats": [{"first": 3, "last": 3}],
            }
        ],
        "entries": 3,
        "missing": 1,
        "repeated": 1,
    }
    assert error == ""


def test_rubbish_is_told_and_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path, b"\x1b[2J\n" + lines(entry(1)) + b"{}\n")
    assert main(["audit", "--verify", file]) == 0
    error = capsys.readouterr().err.splitlines()
    assert error[0].startswith(f"{file}:1: not an entry: ")
    assert error[1:] == [
        f"{file}:3: not an entry: it has no event.sequence",
        "2 lines are no entries of dockline",
    ]


def test_no_name_in_a_file_controls_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["audit", "--verify", written(tmp_path, lines(entry(1, "\x1b[2Jx\r"), entry(3)))])
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\r" not in out


def test_several_files_are_one_store_gzipped_or_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = written(tmp_path, lines(entry(1), entry(2)))
    two = written(tmp_path, gzip.compress(lines(entry(4))) + gzip.compress(lines(entry(3))), "old")
    assert main(["audit", "--verify", one, two]) == 0
    assert "4 entries, 1 to 4; complete" in capsys.readouterr().out


@pytest.mark.server
@pytest.mark.parametrize("arguments", [[], ["-"]])
@pytest.mark.parametrize("zipped", [False, True])
def test_standard_input_is_read_where_no_file_is_named(arguments: list[str], zipped: bool) -> None:
    content = lines(entry(1), entry(3))
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", "audit", "--verify", *arguments],
        input=gzip.compress(content) if zipped else content,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, b"")
    assert b"  missing 2, between" in done.stdout


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot read {file}: No such file or directory\n"),
        (b"", "there are no entries of dockline to verify\n"),
        (b"x\ny\n", "there are no entries of dockline to verify\n"),
        (gzip.compress(lines(entry(1)), mtime=0)[:40], "cannot read {file}: "),
        (b"\x1f\x8brubbish", "cannot read {file}: "),
        (b"\x1f\x8b\x08" + b"\0" * 7 + b"rubbish", "cannot read {file}: "),
    ],
)
def test_what_cannot_be_verified_is_neither_complete_nor_incomplete(
    content: bytes | None, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = str(tmp_path / "none") if content is None else written(tmp_path, content)
    assert main(["audit", "--verify", file]) == 2
    assert f"dockline: {words.format(file=file)}" in capsys.readouterr().err


def test_a_folder_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "--verify", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"dockline: cannot read {tmp_path}: Is a directory\n"
