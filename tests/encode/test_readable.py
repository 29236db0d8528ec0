"""What an entry says, for people: nothing twice, and nothing left out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipeline.encode.json import JsonEncoder
from pipeline.encode.level import LEVELS
from pipeline.encode.readable import LEVEL_COLOURS, MOST_LINES, Readable
from pipeline.testing.builders import batch
from pipeline.testing.hostile import hostile

ERROR = LEVELS.index("error")
JSON = b'{"level":"error","msg":"POST /orders","status":500}'


def shown(message: bytes, fields: dict[Any, Any] | None = None, level: int = len(LEVELS)) -> str:
    (line,) = Readable(color=False).lines(message, fields, level)
    return line.decode()


def test_a_line_of_json_that_was_parsed_is_its_text_and_its_other_fields() -> None:
    assert shown(JSON, json.loads(JSON), ERROR) == "ERROR POST /orders  status=500"
    more = json.loads(JSON) | {"env": "prod"}
    assert shown(JSON, more, ERROR) == "ERROR POST /orders  status=500 env=prod"


@pytest.mark.parametrize("name", ["message", "msg", "@m", "event"])
def test_the_text_is_in_the_field_where_libraries_write_it(name: str) -> None:
    fields = {"a": 1, name: "up"}
    assert shown(json.dumps(fields).encode(), fields) == "up  a=1"


def test_a_line_of_json_that_was_not_parsed_or_in_part_is_shown_as_it_is() -> None:
    raw = JSON.decode()
    assert shown(JSON) == raw
    assert shown(JSON, {"env": "prod"}) == raw + "  env=prod"
    assert shown(JSON, {"level": "error", "status": 500, "code": 500}, ERROR) == (
        f"ERROR {raw}  code=500"
    )


def test_a_line_of_pairs_that_was_parsed_is_its_text_and_its_other_fields() -> None:
    line = b'level=error msg="no disk" took=3ms cached'
    fields = {"level": "error", "msg": "no disk", "took": "3ms", "cached": True}
    assert shown(line, fields, ERROR) == "ERROR no disk  took=3ms cached=true"


def test_pairs_that_stand_in_the_message_are_not_shown_again() -> None:
    fields = {"took": "3ms", "env": "prod", "k": 3}
    assert shown(b"done took=3ms ak=3", fields) == "done took=3ms ak=3  env=prod k=3"


def test_a_level_that_the_message_begins_with_is_shown_once() -> None:
    for line in (b"ERROR no disk", b"ERROR: no disk", b"[ERROR]  no disk", b"FAIL no disk"):
        assert shown(line, {"level": "error"}, ERROR) == "ERROR no disk"
    assert shown(b"INFO no disk", {"level": "error"}, ERROR) == "ERROR INFO no disk"
    assert shown(b"ERROR ", {"level": "error"}, ERROR) == "ERROR ERROR "
    assert shown(b"ERROR no disk") == "ERROR no disk"


def test_fields_that_tell_another_level_or_none_are_shown() -> None:
    fields = {"level": "error", "severity": "info", "lvl": ["x"], "log": {"level": "err", "a": 1}}
    assert shown(b"x", fields, ERROR) == 'ERROR x  severity=info lvl=["x"] log.a=1'


def test_every_level_has_a_colour() -> None:
    assert len(LEVEL_COLOURS) == len(LEVELS)
    show = Readable(color=True)
    found = [show.lines(b"x", {"a": 1}, level)[0] for level in range(len(LEVELS))]
    assert found[ERROR] == b"\x1b[31mERROR  \x1b[0m x  \x1b[2ma=1\x1b[0m"
    assert len(set(found)) == len(LEVELS)


def test_an_entry_of_many_lines_takes_no_more_lines_than_the_bound() -> None:
    show = Readable(color=True)
    assert show.lines(b"a\nb\n") == [b"a", b"b"]
    assert show.lines(b"\n") == [b""]
    lines = show.lines(b"x\n" * (MOST_LINES + 5))
    assert len(lines) == MOST_LINES
    assert lines[-1] == b"x x x x x x"


def test_a_hostile_number_of_fields_takes_no_long_search() -> None:
    fields = {f"k{number}": number for number in range(20_000)}
    line = b" ".join(b"k%d=%d" % one for one in enumerate(range(20_000)))
    assert shown(line, fields).startswith("k0=0 k1=1 ")


def test_what_a_json_sink_wrote_is_shown_as_the_entry_is() -> None:
    fields = json.loads(JSON) | {"host": "taken", "env": "prod"}
    entry = json.loads(JsonEncoder().encode([batch(JSON, fields=[fields])]))
    (line,) = Readable(color=False).of_json(entry)
    assert sorted(line.decode().split()) == sorted(
        ["ERROR", "POST", "/orders", "status=500", "host=taken", "env=prod"]
    )


@pytest.mark.parametrize("color", [True, False])
def test_whatever_an_entry_has_can_be_shown(color: bool) -> None:
    show = Readable(color=color)
    for one in hostile():
        for line, fields in zip(one.lines, one.fields or [{}] * len(one), strict=True):
            assert all(b"\n" not in text for text in show.lines(line, fields, ERROR))
    for entry in ({}, {"message": None, "log": 1, "fields": []}, {"log": {"level": {}}}):
        assert show.of_json(entry)
