"""Fields as records are the same as fields as dictionaries, to whoever reads them."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.encode.json import JsonEncoder
from pipeline.encode.level import severities
from pipeline.expression import compile_predicate, compile_template
from pipeline.model.batch import Batch
from pipeline.model.component import Stage
from pipeline.model.records import MISSING, MOST_NAMES, Records, Shape, nested
from pipeline.stages import keep, parse, remove
from pipeline.testing.builders import batch, container, entries
from pipeline.testing.stage_kit import LINES

NAMES = st.sampled_from(
    ["level", "status", "msg", "http", "http.status", "message", "host.name", "log", "severity", ""]
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["error", " Warn ", "503", "", 'a "b" \\ },{ }\n{', "ü\x7f\x00"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=2),
    max_leaves=4,
)
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=5).map(json.dumps).map(str.encode)
NO_OBJECTS = st.sampled_from([b"text", b"", b"[1]", b"{", b' \xef\xbb\xbf{"msg":"\xff"}', b"1"])
LOGS = st.lists(OBJECTS | NO_OBJECTS, min_size=1, max_size=6)

EXPRESSIONS = [
    "status >= 500",
    "status == 503 or level in ('error', 'warning')",
    "not (level == 'debug') and msg != 'x'",
    "http.status == 503",
    '"http" in fields and "severity" not in fields',
    "contains(msg, 'b') or len(msg) > 3",
    "missing == 1 or missing.part == 2",
    "message == 'text'",
]


def both(config: Any, lines: list[bytes]) -> tuple[Batch, Batch]:
    """Parsed as dictionaries; and as records, where that can be, the names being known."""
    stage = parse.Stage(config).bind(container())
    stage(batch(*lines))
    known = stage(batch(*lines))
    plain = parse.Stage(config)(batch(*lines))
    assert plain and known
    assert type(plain.parsed) is not Records
    return plain, known


@given(lines=LOGS, config=st.sampled_from(["json", "auto"]))
def test_they_are_the_same_fields(lines: list[bytes], config: str) -> None:
    plain, known = both(config, lines)
    assert entries(known) == entries(plain)


@given(lines=LOGS, bare=st.booleans())
def test_they_are_written_alike(lines: list[bytes], bare: bool) -> None:
    plain, known = (each.replace(bare=bare) for each in both("json", lines))
    encoder = JsonEncoder(host="h")
    expected = [json.loads(line) for line in encoder.encode([plain]).splitlines()]
    assert [json.loads(line) for line in encoder.encode([known]).splitlines()] == expected


@given(lines=LOGS)
def test_they_have_the_same_levels(lines: list[bytes]) -> None:
    plain, known = both("json", lines)
    assert severities(known) == severities(plain)


@pytest.mark.parametrize("text", EXPRESSIONS)
@given(lines=LOGS)
def test_expressions_say_the_same_of_them(text: str, lines: list[bytes]) -> None:
    plain, known = both("json", lines)
    predicate, template = compile_predicate(text), compile_template("{status}-{http.status}-{msg}")
    assert predicate(known) == predicate(plain)
    opposite = compile_predicate(text, negated=True)
    for each in (known, plain):
        assert opposite(each) == [not said for said in predicate(each)]
    assert template(known) == template(plain)


def learned(lines: list[bytes]) -> Batch:
    known = both("json", lines)[1]
    assert type(known.parsed) is Records
    return known


def test_a_selection_of_them_stays_records_and_a_stage_that_wants_dictionaries_gets_them() -> None:
    known = learned([b'{"a":1,"b":{"c":[]}}', b"text", b'{"a":2}'])
    kept = keep.Stage("a >= 1")(known)
    assert kept is not None and type(kept.parsed) is Records and len(kept) == 2
    picked = kept.pick([1])
    assert type(picked.parsed) is Records
    assert picked.fields == [{"a": 2}]
    assert type(picked.parsed) is list
    assert remove.Stage(["b.c"])(kept) is kept
    assert kept.fields == [{"a": 1, "b": {}}, {"a": 2}]


def test_a_name_that_is_new_is_learned_by_the_next_batch() -> None:
    stage = parse.Stage("json").bind(container())
    kinds = []
    for line in (b'{"a":1}', b'{"a":1}', b'{"b":1}', b'{"b":1}', b'{"a":1}', b"text"):
        result = stage(batch(line))
        assert result is not None
        kinds.append(type(result.parsed))
    assert kinds == [list, Records, list, Records, Records, Records]


def test_too_many_names_or_one_that_a_struct_cannot_have_stay_dictionaries() -> None:
    many = json.dumps({f"n{number}": number for number in range(MOST_NAMES + 1)}).encode()
    for line in (many, b'{"a\\"b":1}', b'{"a\\u0000":1}'):
        stage = parse.Stage("json").bind(container())
        for _ in range(3):
            result = stage(batch(line))
            assert result is not None
            assert type(result.parsed) is list
            assert result.fields == [json.loads(line)]


def test_auto_does_not_try_again_and_again_what_is_not_all_json() -> None:
    stage = parse.Stage("auto").bind(container())
    tried: list[bytes] = []
    stage(batch('{"a":1}'))
    reader = stage._json._reader  # type: ignore[attr-defined]
    records = reader._records
    reader._records = lambda shape, lines: tried.append(lines[0]) or records(shape, lines)
    for number in range(200):
        result = stage(batch('{"a":1}', f"b={number} c=2"))
        assert result is not None
        assert entries(result)[1].fields == {"b": str(number), "c": "2"}
    assert len(tried) < 10


def test_two_containers_share_a_shape_and_each_learns_by_itself() -> None:
    whole = parse.Stage("json")
    shapes = []
    for number in (1, 2):
        stage = whole.bind(container(number=number))
        stage(batch('{"shared":1,"names":2}'))
        result = stage(batch('{"shared":1,"names":2}'))
        assert result is not None and type(result.parsed) is Records
        shapes.append(result.parsed.shape)
    assert shapes[0] is shapes[1]


def test_what_cannot_be_written_together_is_written_all_the_same() -> None:
    """Half a surrogate pair, or values nested more deeply than msgspec writes."""
    shape = Shape(("a", "b"))
    deep: list[object] = []
    for _ in range(2000):
        deep = [deep]
    odd = batch("x", "y")
    odd.parsed = Records(shape, [shape.of({"a": deep}), shape.of({"b": "\ud800"})])
    written = [json.loads(line) for line in JsonEncoder().encode([odd]).splitlines()]
    assert "\N{HORIZONTAL ELLIPSIS}" in json.dumps(written[0]["a"], ensure_ascii=False)
    assert written[1]["b"] == "\N{REPLACEMENT CHARACTER}"


def test_an_absent_field_is_missing_and_takes_no_part_in_what_is_written() -> None:
    shape = Shape(("a", "b"))
    record = shape.decode(b'{"b":null}')
    assert record.f0 is MISSING and not MISSING and repr(MISSING) == "MISSING"
    assert msgspec.json.encode(record) == b'{"b":null}'


class _Known(Stage):
    """Has met the lines before, so that they are records."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def __call__(self, one: Batch) -> Batch | None:
        self._stage(one)
        return self._stage(one)


def test_any_line_survives_being_known() -> None:
    stage = _Known(parse.Stage("json").bind(container()))
    plain = parse.Stage("json")
    for line in LINES:
        assert entries(stage(batch(line))) == entries(plain(batch(line)))


def test_values_inside_of_fields_are_counted_at_any_depth() -> None:
    assert nested({"a": 1, "b": "x", "c": None}) == 0
    assert nested({"a": [], "b": {}}) == 0
    assert nested({"a": [1, [2, 3]], "b": {"c": {"d": 4}}}) == 6
