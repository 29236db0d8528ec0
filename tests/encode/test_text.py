"""Lines for people: readable, and harmless to a terminal."""

import re
from typing import Any

import pytest

from pipeline.encode.text import WIDEST, TextEncoder
from pipeline.model.records import RecordReader, Records
from pipeline.parsing import json
from pipeline.testing.builders import batch, container
from pipeline.testing.hostile import hostile

COLOUR = re.compile(rb"\x1b\[[0-9;:]*m")


def plain(*lines: bytes, **columns: Any) -> list[str]:
    """The lines without the time."""
    data = TextEncoder(color=False).encode([batch(*lines, **columns)]).decode()
    return [line.split(" ", 1)[1] for line in data.splitlines()]


def coloured(*lines: bytes, **columns: Any) -> list[str]:
    """The lines as a terminal shows them, in one colour."""
    data = TextEncoder(color=True).encode([batch(*lines, **columns)])
    return COLOUR.sub(b"", data).decode().splitlines()


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


def test_on_a_terminal_names_are_as_wide_as_the_widest_so_far() -> None:
    encoder = TextEncoder(color=True)
    of = [container(number=1, name=name) for name in ("web", "shop-worker", "db", "x" * 90)]
    for one in of:
        encoder.encode([batch(b"x", of=one)])
    found = [COLOUR.sub(b"", encoder.encode([batch(b"x", of=one)])) for one in of[:3]]
    assert {line.index(b"|") for line in found} == {len("12:01:03.123 ") + WIDEST + 1}


def test_a_level_and_fields_stand_beside_the_message() -> None:
    fields = [{"level": "warn", "env": "prod"}, {}]
    assert plain(b"low on disk", b"done", fields=fields) == [
        "api-1 stdout | WARNING low on disk  env=prod",
        "api-1 stdout | done",
    ]
    first, second = coloured(b"low on disk", b"done", fields=fields)
    assert first.endswith(" api-1 | WARNING low on disk  env=prod")
    assert second.endswith(" api-1 | done")


def test_further_lines_of_an_entry_stand_behind_the_bar_on_a_terminal() -> None:
    trace = b"Traceback:\n  File x\nKeyError: 1"
    for fields in (None, [{"env": "prod"}]):
        first, *more = coloured(trace, fields=fields, streams="err")
        assert first.endswith(" api-1 | Traceback:" + ("  env=prod" if fields else ""))
        assert more == [" " * 19 + "|   File x", " " * 19 + "| KeyError: 1"]


def test_in_a_file_an_entry_is_one_line() -> None:
    assert plain(b"Traceback:\n  File x\n") == ["api-1 stdout | Traceback:\\n  File x\\n"]


def test_entries_without_a_message_show_their_fields() -> None:
    fields = [{"status": 500, "level": "error"}]
    assert plain(b"ignored", fields=fields, bare=True) == ["api-1 stdout | ERROR status=500"]


def test_records_are_shown_as_dictionaries_are() -> None:
    lines = [b'{"msg":"up","level":"info","port":80}', b'{"msg":"down","level":"error"}']
    reader = RecordReader(json.parse, json.parse_one, all_json=True)
    reader.read(lines)
    records = reader.read(lines)
    assert type(records) is Records
    assert plain(*lines, fields=None)[0].endswith('| {"msg":"up","level":"info","port":80}')
    shown = TextEncoder(color=False).encode([batch(*lines).replace(parsed=records)])
    assert [line.split(b" | ")[1] for line in shown.splitlines()] == [
        b"INFO up  port=80",
        b"ERROR down",
    ]


@pytest.mark.parametrize("color", [True, False])
def test_nothing_in_a_hostile_batch_commands_a_terminal_or_looks_like_another_entry(
    color: bool,
) -> None:
    for one in hostile():
        data = COLOUR.sub(b"", TextEncoder(color=color).encode([one]))
        assert not re.search(rb"[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]", data)
        lines = data.split(b"\n")[:-1]
        begin = [line for line in lines if re.match(rb"\d\d:\d\d:\d\d\.\d{3} |2026-", line)]
        assert len(begin) == len(one)
        others = [line for line in lines if line not in begin]
        assert all(re.match(rb" {13} *[^|]* \| ", line) for line in others)
        assert color or not others
