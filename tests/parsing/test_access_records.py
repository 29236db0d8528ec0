"""Access logs as records have the fields that they have as dictionaries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import pytest
from hypothesis import given

from pipeline import native
from pipeline.encode.json import JsonEncoder
from pipeline.model.batch import Batch
from pipeline.model.component import Stage
from pipeline.model.records import MOST_NAMES, Fields, Records
from pipeline.parsing import access, apache, nginx
from pipeline.parsing.access_records import AccessReader
from pipeline.parsing.auto import Auto
from pipeline.stages import parse
from pipeline.testing.builders import batch, container
from tests.parsing.access_lines import MIXED
from tests.parsing.test_access import COMBINED, COMMON, INGRESS

Config = Literal["nginx", "apache", "auto"]

KNOWN = COMBINED.encode()


@pytest.fixture(params=["c", "python"], autouse=True)
def either(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test runs with the loop in C and without."""
    if request.param == "c":
        request.getfixturevalue("c")
    else:
        monkeypatch.setattr(native, "loops", None)


@pytest.fixture(scope="session")
def c() -> Any:
    if native.loops is None:
        pytest.skip(native.described)


def kind() -> type:
    """What the fields of known names are."""
    return list if native.loops is None else Records


def learned(config: Config, *lines: bytes) -> Stage:
    """The stage, having met these lines."""
    stage = parse.Stage(config).bind(container())
    for line in lines:
        for _ in range(2):
            stage(batch(line))
    return stage


def read(stage: Stage, *lines: bytes) -> Batch:
    result = stage(batch(*lines))
    assert result is not None
    return result


def test_lines_of_known_names_become_records(either: None) -> None:
    for config in ("nginx", "apache", "auto"):
        result = read(learned(config, KNOWN), KNOWN, KNOWN)
        assert type(result.parsed) is kind()
        assert not result.literal, "their times are not those of the messages"
        assert result.fields == [access.certain(KNOWN)] * 2


@given(MIXED)
def test_each_line_has_the_fields_that_it_has_as_a_dictionary(lines: list[bytes]) -> None:
    ways: dict[Config, Callable[[list[bytes]], list[Fields]]] = {
        "nginx": nginx.parse,
        "apache": apache.parse,
    }
    for config, way in ways.items():
        stage, expected = learned(config, KNOWN, COMMON.encode()), way(lines)
        for _ in range(3):
            found = read(stage, *lines).fields
            assert repr(found or [{}] * len(lines)) == repr(_in_order(expected, found))


@given(MIXED)
def test_auto_finds_what_it_finds_without_records(lines: list[bytes]) -> None:
    reader, plain = learned("auto", KNOWN), Auto()
    plain.parse([KNOWN])
    for _ in range(3):
        expected = plain.parse(lines)
        assert (read(reader, *lines).fields or [{}] * len(lines)) == expected
        assert plain.parse([KNOWN]) == read(reader, KNOWN).fields


@given(MIXED)
def test_they_are_written_alike(lines: list[bytes]) -> None:
    known = read(learned("nginx", KNOWN, *lines), *lines)
    encoder = JsonEncoder(host="h")
    plain = known.replace(parsed=None)
    if known.fields is not None:
        plain = known.replace(fields=[dict(fields) for fields in known.fields])
    assert encoder.encode([known]) == encoder.encode([plain])


def test_a_line_without_fields_stays_among_others_and_alone(either: None) -> None:
    stage = learned("auto", KNOWN)
    result = read(stage, b"text", KNOWN, b"")
    assert type(result.parsed) is kind()
    assert result.fields == [{}, access.certain(KNOWN), {}]
    whole = batch("text", "more")
    assert stage(whole) is whole


def test_a_new_name_is_known_to_the_next_batch(either: None) -> None:
    stage = learned("nginx", KNOWN)
    kinds = []
    for line in (COMMON.encode(), COMMON.encode(), INGRESS.encode(), INGRESS.encode(), KNOWN):
        result = read(stage, KNOWN, line)
        kinds.append(type(result.parsed))
        assert result.fields == [access.certain(KNOWN), access.certain(line)]
    known = kind()
    assert kinds == [list, known, list, known, known]
    assert type(read(stage, INGRESS.encode()).parsed) is list


def test_too_many_names_stay_dictionaries(either: None) -> None:
    many = [b" ".join(b"n%d=1" % (n + 40 * part) for n in range(40)) for part in range(2)]
    assert MOST_NAMES < 80
    stage = learned("auto", KNOWN)
    for _ in range(3):
        result = read(stage, KNOWN, *many)
        assert type(result.parsed) is list
        stage(batch(KNOWN))
        assert [len(one) for one in result.fields or ()] == [len(access.certain(KNOWN)), 40, 40]


def test_fields_of_before_stay(either: None) -> None:
    stage = learned("nginx", KNOWN)
    whole = batch(KNOWN, b"text", fields=[{"client": "x", "a": 1}, {"a": 2}])
    result = stage(whole)
    assert result is not None
    assert result.fields == [{"a": 1} | access.certain(KNOWN), {"a": 2}]


def test_json_among_access_logs_is_still_records(either: None) -> None:
    stage = learned("auto", KNOWN, b'{"a":1}', KNOWN)
    for lines in ([b'{"a":1}'], [KNOWN], [b'{"a":1}', b'{"a":2}'], [KNOWN, KNOWN]):
        expected = Records if lines[0] != KNOWN else kind()
        assert type(read(stage, *lines).parsed) is expected


def test_the_reader_asks_only_for_what_is_left(either: None) -> None:
    asked = []

    def parsed(lines: list[bytes], left: list[int]) -> list[Fields]:
        asked.append(left)
        return nginx.parse([lines[place] for place in left])

    reader = AccessReader(parsed)
    reader.read([KNOWN, KNOWN])
    reader.read([KNOWN, b"text", INGRESS.encode(), KNOWN])
    assert asked == [[0, 1], [1, 2] if native.loops else [0, 1, 2, 3]]


def _in_order(expected: list[Fields], found: list[Fields] | None) -> list[Fields]:
    """The expected fields, each in the order in which it was found."""
    if found is None:
        return expected
    pairs = zip(expected, found, strict=True)
    return [{name: one[name] for name in (*other, *one) if name in one} for one, other in pairs]
