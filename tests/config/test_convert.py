"""Tables of any Struct: what fits becomes the Struct, all that does not is told."""

from __future__ import annotations

import datetime
from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta, Struct

from pipeline.config.convert import Converter
from pipeline.config.problems import INVALID, ProblemReport
from pipeline.config.substitute import Substituted, fill
from pipeline.model.component import BufferConfig, Duration, Rate, Secret, Size, TLSConfig
from pipeline.model.errors import ConfigError
from pipeline.transport.http import HttpSinkConfig


class Inner(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    number: Annotated[int, Meta(ge=1, le=10)] = 1
    name: Annotated[str, Meta(min_length=1)] = "x"

    def __post_init__(self) -> None:
        if self.name == "forbidden":
            raise ConfigError("that name is forbidden", "name", column=2)


class Example(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    size: Size = Size(1)
    wait: Annotated[Duration, Meta(gt=0)] = Duration(1)
    every: Duration | None = None
    start: Literal["now", "beginning"] | Duration = "now"
    mode: Literal["block", "drop_newest"] = "block"
    version: Literal[3164, 5424] = 5424
    flag: bool = False
    share: float = 0.5
    secret: Secret | None = None
    tls: bool | TLSConfig = False
    names: list[str] = []
    one_or_many: str | list[str] = ""
    row: tuple[str, ...] = ()
    labels: dict[Annotated[str, Meta(pattern="^[a-z.]+$")], str] = {}
    anything: dict[str, Any] = {}
    inner: Inner = Inner()
    optional: str | None = None
    room: BufferConfig = BufferConfig()
    pace: Rate | float = 1.0
    many: int | float = 1


class Needy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    address: Annotated[str, Meta(examples=["tcp://logs:5000"])]
    count: int


def convert(table: dict[str, Any], cls: Any = Example) -> tuple[Any, list[str]]:
    """The result, and each error as `path: sentence`."""
    report = ProblemReport("f")
    result = Converter(report).convert(table, cls, ())
    return result, [f"{one.path}: {one.sentence}" for one in report.errors]


def good(**table: Any) -> Example:
    result, errors = convert(table)
    assert errors == []
    assert isinstance(result, Example)
    return result


def bad(**table: Any) -> str:
    result, errors = convert(table)
    assert result is INVALID
    assert len(errors) == 1
    return errors[0]


def test_an_empty_table_is_all_defaults() -> None:
    assert good() == Example()


@pytest.mark.parametrize(
    ("key", "written", "value"),
    [
        ("size", "16MiB", 16 * 2**20),
        ("size", 4096, 4096),
        ("wait", "1m30s", 90.0),
        ("every", "5s", 5.0),
        ("every", "off", None),
        ("start", "beginning", "beginning"),
        ("start", "10m", 600.0),
        ("mode", "drop_newest", "drop_newest"),
        ("version", 3164, 3164),
        ("flag", True, True),
        ("share", 1, 1.0),
        ("share", 0.25, 0.25),
        ("tls", True, True),
        ("tls", {"ca": "ca.pem"}, TLSConfig(ca="ca.pem")),
        ("names", ["a", "b"], ["a", "b"]),
        ("row", ["a", "b"], ("a", "b")),
        ("one_or_many", "a", "a"),
        ("one_or_many", ["a"], ["a"]),
        ("labels", {"a.b": "c"}, {"a.b": "c"}),
        ("anything", {"a": [1, {"b": True}]}, {"a": [1, {"b": True}]}),
        ("inner", {"number": 10}, Inner(number=10)),
        ("optional", "off", "off"),
        ("room", "64MiB", BufferConfig(memory=Size(2**26))),
        ("room", 65536, BufferConfig(memory=Size(2**16))),
        ("room", {"disk": "1GiB"}, BufferConfig(disk=Size(2**30))),
        ("pace", "30/m", 0.5),
        ("pace", 5, 5),
    ],
)
def test_values_become_what_their_field_is(key: str, written: Any, value: Any) -> None:
    assert getattr(good(**{key: written}), key) == value


def test_types_of_our_own_keep_their_type() -> None:
    example = good(size=1, wait="1s", start="5s", secret="s3cr3t")
    assert isinstance(example.size, Size)
    assert isinstance(example.wait, Duration)
    assert isinstance(example.start, Duration)
    assert isinstance(example.secret, Secret)


@pytest.mark.parametrize(
    ("table", "error"),
    [
        ({"size": "16 MB!"}, 'size: "16 MB!" is not a size; write it like "16MiB" or "512KiB"'),
        ({"size": 1.5}, 'size: expected a size such as "16MiB", got a number'),
        ({"size": True}, 'size: expected a size such as "16MiB", got true or false'),
        ({"size": "9" * 400}, f'size: "{"9" * 59}…" is too much'),
        (
            {"wait": 60},
            'wait: expected a duration such as "5s", got a whole number; '
            'say in which unit, such as "60s"',
        ),
        ({"room": "1KiB"}, "room: must be at least 64KiB"),
        ({"room": "x"}, 'room: "x" is not a size; write it like "16MiB" or "512KiB"'),
        ({"room": []}, 'room: expected a size such as "16MiB" or a table, got an array'),
        ({"room": {"memory": "1KiB"}}, "room.memory: must be at least 64KiB"),
        ({"pace": "5"}, 'pace: "5" is not a rate; write it like "100/s", "30/m" or "20/10m"'),
        ({"wait": "5"}, 'wait: "5" is not a duration; write it like "200ms", "5s" or "10m"'),
        ({"wait": "0s"}, "wait: must be more than 0s"),
        ({"wait": "off"}, 'wait: "off" is not a duration; write it like "200ms", "5s" or "10m"'),
        ({"wait": "9" * 400 + "d"}, f'wait: "{"9" * 59}…" is too much'),
        ({"every": []}, 'every: expected a duration such as "5s" or "off", got an array'),
        (
            {"start": "begining"},
            'start: expected one of "now", "beginning" or a duration such as "5s", got "begining"; '
            'did you mean "beginning"?',
        ),
        (
            {"mode": "drop-newest"},
            'mode: expected one of "block", "drop_newest", got "drop-newest"; '
            'did you mean "drop_newest"?',
        ),
        ({"mode": "zzz"}, 'mode: expected one of "block", "drop_newest", got "zzz"'),
        ({"mode": 3}, 'mode: expected one of "block", "drop_newest", got a whole number'),
        ({"version": 5425}, "version: expected one of 3164, 5424, got 5425"),
        ({"flag": "yes"}, "flag: expected true or false, got a string"),
        ({"flag": 1}, "flag: expected true or false, got a whole number"),
        ({"share": "1"}, "share: expected a number, got a string"),
        ({"share": float("nan")}, "share: nan is not a number to work with"),
        ({"tls": "x"}, "tls: expected true or false or a table, got a string"),
        ({"tls": {"caa": "x"}}, 'tls.caa: unknown key "caa"; did you mean "ca"?'),
        ({"names": "a"}, "names: expected an array, got a string; put it in brackets: [ … ]"),
        ({"names": ["a", 1]}, "names[1]: expected a string, got a whole number"),
        ({"row": [1]}, "row[0]: expected a string, got a whole number"),
        ({"one_or_many": 1}, "one_or_many: expected a string or an array, got a whole number"),
        ({"one_or_many": [1]}, "one_or_many[0]: expected a string, got a whole number"),
        ({"labels": {"a": 1}}, "labels.a: expected a string, got a whole number"),
        ({"labels": {"A": "b"}}, 'labels.A: the key "A" must have the form ^[a-z.]+$'),
        ({"labels": []}, "labels: expected a table, got an array"),
        ({"inner": {"number": 0}}, "inner.number: must be at least 1"),
        ({"inner": {"number": 11}}, "inner.number: must be at most 10"),
        ({"inner": {"number": True}}, "inner.number: expected a whole number, got true or false"),
        ({"inner": {"name": ""}}, "inner.name: must not be empty"),
        ({"inner": {"name": "forbidden"}}, "inner.name: that name is forbidden"),
        (
            {"optional": datetime.date(2026, 1, 1)},
            "optional: expected a string, got a date or a time",
        ),
        ({"mod": "block"}, 'mod: unknown key "mod"; did you mean "mode"?'),
    ],
)
def test_each_mistake_is_told_in_one_sentence(table: dict[str, Any], error: str) -> None:
    assert bad(**table) == error


def test_a_key_that_is_near_to_none_gets_the_list() -> None:
    assert convert({"zzzzz": 1}, Inner)[1] == [
        'zzzzz: unknown key "zzzzz"; known here: number, name'
    ]


def test_what_is_missing_is_told_with_an_example_or_its_type() -> None:
    assert convert({}, Needy)[1] == [
        ': "address" is missing; such as address = "tcp://logs:5000"',
        ': "count" is missing; expected a whole number',
    ]


def test_all_mistakes_are_told_at_once() -> None:
    table = {
        "size": "x",
        "nope": 1,
        "names": [1, 2],
        "inner": {"number": 0, "nope": 1},
        "labels": {"a": 1, "b": 2},
    }
    errors = convert(table)[1]
    assert sorted(error.partition(":")[0] for error in errors) == [
        "inner.nope",
        "inner.number",
        "labels.a",
        "labels.b",
        "names[0]",
        "names[1]",
        "nope",
        "size",
    ]


def test_a_value_that_was_reported_before_is_not_reported_again() -> None:
    assert convert({"size": INVALID, "names": [INVALID, 1]})[1] == [
        "names[1]: expected a string, got a whole number"
    ]
    assert convert({"address": INVALID, "count": 1}, Needy) == (INVALID, [])


def test_dates_become_text_where_anything_may_stand() -> None:
    day = datetime.date(2026, 1, 31)
    assert good(anything={"since": [day]}).anything == {"since": ["2026-01-31"]}


# --------------------------------------------------------------------------------- secrets


def substituted(value: str) -> Substituted:
    filled = fill("${X}", {"X": value})
    assert isinstance(filled, Substituted)
    return filled


def test_a_substituted_value_becomes_what_its_field_is() -> None:
    example = good(
        size=substituted("1KiB"),
        flag=substituted("true"),
        share=substituted("0.25"),
        inner={"number": substituted("7")},
        start=substituted("now"),
        names=[substituted("a")],
        anything={"a": substituted("b")},
        secret=substituted("s3cr3t"),
    )
    assert (example.size, example.flag, example.share, example.inner.number) == (
        1024,
        True,
        0.25,
        7,
    )
    assert type(example.start) is type(example.names[0]) is type(example.anything["a"]) is str
    assert "s3cr3t" not in repr(example)


@pytest.mark.parametrize(
    "key", ["size", "wait", "start", "mode", "flag", "share", "names", "inner"]
)
def test_no_error_shows_a_substituted_value(key: str) -> None:
    assert "s3cr3t" not in bad(**{key: substituted("s3cr3t")})


def test_no_hint_gives_a_substituted_value_away() -> None:
    assert bad(mode=substituted("blok")) == (
        'mode: "${X}" does not stand for one of "block", "drop_newest"'
    )


def test_an_error_from_a_check_of_many_values_does_not_show_what_was_substituted() -> None:
    error = bad(inner={"name": substituted("forbidden")})
    kept_back = "the value of ${…} is not accepted; the reason is withheld, as it could show it"
    assert error == f"inner.name: {kept_back}"


def test_a_secret_of_the_wrong_type_is_not_shown() -> None:
    report = ProblemReport("f")
    Converter(report).convert({"secret": 12345}, Example, ())
    assert "12345" not in repr(report.errors)


def test_a_secret_in_plain_text_is_accepted_with_a_warning() -> None:
    report = ProblemReport("f")
    Converter(report).convert({"secret": "s3cr3t"}, Example, ())
    assert report.errors == []
    assert [(one.path, one.message) for one in report.warnings] == [
        ("secret", "a secret in plain text")
    ]
    assert "s3cr3t" not in repr(report.warnings)


def test_a_header_is_a_secret_that_may_stand_in_plain_text() -> None:
    report = ProblemReport("f")
    made = Converter(report).convert(
        {"type": "http", "headers": {"X-Scope-OrgID": "shop"}}, HttpSinkConfig, ("sinks", "a")
    )
    assert report.warnings == []
    assert "shop" not in repr(made)


@pytest.mark.parametrize(
    ("key", "written", "value"),
    [("pace", "100/s", 100), ("pace", "5", 5), ("many", "10", 10), ("many", "0.1", 0.1)],
)
def test_a_substituted_text_becomes_what_it_spells_of_several_types(
    key: str, written: str, value: float
) -> None:
    result = getattr(good(**{key: fill("${N}", {"N": written})}), key)
    assert result == value


def test_a_substituted_text_that_fits_none_of_several_types_is_not_shown() -> None:
    told = bad(pace=fill("${N}", {"N": "s3cr3t"}))
    assert told == 'pace: "${N}" does not stand for a rate such as "100/s" or a number'
