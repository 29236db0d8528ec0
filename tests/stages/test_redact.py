"""The stage `redact`."""

from __future__ import annotations

import json
import random
import time
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline import native
from pipeline.config.file import parse as parse_toml
from pipeline.config.problems import ConfigErrors
from pipeline.model.batch import Batch
from pipeline.model.component import Secret, Stage
from pipeline.model.errors import ConfigError
from pipeline.model.records import Records
from pipeline.stages import parse, redact
from pipeline.testing.builders import batch, container, entries
from pipeline.testing.stage_kit import LINES, StageKit
from tests.suite.examples import examples

CARD = "4111 1111 1111 1111"
ALL: list[Any] = ["email", "card", "ip", "jwt", "aws_key", "bearer"]


class TestKinds(StageKit):
    def make(self) -> Stage:
        return redact.Stage(ALL)


class TestPatterns(StageKit):
    def make(self) -> Stage:
        return made(patterns=[r"boom|503|text|level", r"\be\w{2}r\b"], **{"with": "sha256"})


class TestKeys(StageKit):
    def make(self) -> Stage:
        return made(keys=["msg", "status", "http"])


class TestSomeFields(StageKit):
    def make(self) -> Stage:
        return made(patterns=["boom|503|text|a"], fields=["http.tags", "msg", "message", "status"])


def made(**options: Any) -> Stage:
    if "with" in options:
        options["with_"] = options.pop("with")
    return redact.Stage(redact.Options(**options))


def parsed(*lines: str) -> Batch:
    """As records, which it takes two batches to learn."""
    stage = parse.Stage("json").bind(container())
    stage(batch(*lines))
    result = stage(batch(*lines))
    assert result is not None
    assert type(result.parsed) is Records
    return result


def test_the_message_and_the_fields_that_were_read_from_it_are_both_treated() -> None:
    line = {
        "msg": "x bob@example.com y",
        "n": 1,
        "in": {"to": ["a", CARD]},
        "card": 4111111111111111,
    }
    for before in (parsed(json.dumps(line)), batch(json.dumps(line), fields=[line])):
        (row,) = entries(redact.Stage(["email", "card"])(before))
        assert row.fields == {
            "msg": "x [redacted] y", "n": 1, "in": {"to": ["a", "[redacted]"]},
            "card": "[redacted]",
        }  # fmt: skip
        assert row.message == (
            b'{"msg": "x [redacted] y", "n": 1, "in": {"to": ["a", "[redacted]"]}, '
            b'"card": [redacted]}'
        )


@pytest.mark.parametrize(
    "line",
    [
        r'{"m":"bob\u0040example.com"}', r'{"m":"a\nbob@example.com"}', r'{"bob@example.com":1}',
        r'{"m":"{\"to\":\"bob\\u0040example.com\"}"}', r'{"m":["\t4111111111111111"]}',
        r'{"m":"Bearer \/a1b2\/c3"}', r'{"m":{"4111-1111-1111-1111":{}}}', '{"m":4111111111111111}',
    ],
)  # fmt: skip
def test_nothing_is_left_in_one_that_is_gone_from_the_other(line: str) -> None:
    (row,) = entries(redact.Stage(ALL)(batch(line, fields=[json.loads(line)])))
    for text in (row.message.decode(), json.dumps(row.fields)):
        assert "redacted" in text
        for secret in ("bob", "example", "4111", "a1b2", "c3"):
            assert secret not in text


def test_inner_objects_that_other_lanes_have_are_not_changed() -> None:
    inner = {"to": "bob@example.com", "list": ["bob@example.com"]}
    result = redact.Stage(["email"])(batch("x", fields=[{"in": inner}]))
    assert inner == {"to": "bob@example.com", "list": ["bob@example.com"]}
    assert entries(result)[0].fields == {"in": {"to": "[redacted]", "list": ["[redacted]"]}}
    result = made(what=["email"], fields=["in.to"])(batch("x", fields=[{"in": inner}]))
    assert inner["to"] == "bob@example.com"
    assert entries(result)[0].fields["in"]["to"] == "[redacted]"


# ------------------------------------------------------------------- one look at a batch

PARTS = (
    "bob@example.com", "bob", "@", "%40", "example.", "com", ".", " ", "-", "x", "4111", "1111",
    "1111 1111-1111", "4111111111111111", "378282246310005", "1764601200123", "٤١١١", "é", "\ufffd",
    "bob@exаmple.com", "password", "Password=", "pass\u212aey: s", "\u0130", "İd=1", "ſ", "token",
    "pw=1", '"pw":"hunter2"', "10.0.0.1", "::1", "Bearer abc123", "eyJhbGci.eyJ.x", "\\", '"', "\n",
    "AKIAIOSFODNN7EXAMPLE", "\\u0040", "\\u0034", "\x1b[32m", "\x04", "\t", "\x7f", "/", "=", ":",
    ", ",
)  # fmt: skip
TEXTS = st.lists(st.sampled_from(PARTS), max_size=6).map("".join)
NUMBERS = st.sampled_from([0, -1, 4111111111111111, 10**30, 4.111111111111111e15, 0.1 + 0.2, 1e300])
VALUES = st.recursive(
    TEXTS | NUMBERS | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=4,
)
NAMES = st.sampled_from(["m", "a", "PW", "user.pw", "pas\u212aey", "level"])
OBJECTS = st.dictionaries(NAMES | TEXTS, VALUES, max_size=4)


@st.composite
def written(draw: st.DrawFn) -> bytes:
    """A line: an object as one program or another writes it, or plain text; at times damaged."""
    if draw(st.booleans()):
        text = json.dumps(draw(OBJECTS), ensure_ascii=draw(st.booleans()))
    else:
        text = draw(TEXTS)
    line = text.encode()
    if draw(st.integers(0, 3)) == 0:
        place = draw(st.integers(0, len(line)))
        line = (
            line[:place] + draw(st.sampled_from([b"\xff", b"\xe2\x84", b"@", b"4"])) + line[place:]
        )
    if draw(st.integers(0, 3)) == 0:
        line = line.replace(b"@", rb"\u0040").replace(b"4", rb"\u0034")
    return line


def slow(stage: redact.Stage) -> redact.Stage:
    """The same stage, but that it searches each text of each entry."""
    stage._kinds = [kind._replace(may_be_in=None) for kind in stage._kinds]
    return stage


@settings(max_examples=examples(2000))
@given(
    st.lists(written(), min_size=1, max_size=5),
    st.sets(st.sampled_from(ALL), min_size=1),
    st.sampled_from([[], ["pw"], ["PW", "passkey", "id"], ["tökén", "token"]]),
    st.sampled_from([None, "json", "auto"]),
)
@example([rb'{"m":"bob@ex\u0430mple.com"}'], {"email"}, [], "json")
@example([rb'{"m":"bob\u0040example.com"}', b"x"], {"email"}, [], None)
@example([rb'{"m":"\u0034111111111111111"}', b"{}"], {"card"}, [], "auto")
@example([rb'{"p\u0077":"x"}'], {"card"}, ["pw"], "json")
@example(['{"pas\u212aey":"x"}'.encode(), b"pas\xe2\x84\xaaey=1"], {"card"}, ["paskey"], "json")
@example(['{"tökén":"x"}'.encode()], {"card"}, ["tökén"], "json")
@example([b'{"m":4111111111111111}', b'{"m":"\xff4111-1111-1111-1111"}'], {"card"}, [], "json")
@example([rb'{"m":"\u001b[32m bob@example.com"}'], {"email"}, [], "json")
@example([rb'{"m":"\u00044111111111111111"}'], {"card"}, [], "json")
@pytest.mark.parametrize("loops", ["C", "Python"])
def test_one_look_at_a_batch_misses_nothing_that_a_search_of_each_text_finds(
    loops: str, lines: list[bytes], what: set[Any], keys: list[str], format_: Any
) -> None:
    options = {"what": sorted(what), "keys": keys}
    whole: Batch | None = batch(*lines)
    if format_ is not None:
        parser = parse.Stage(format_).bind(container())
        for _ in range(3):  # it learns the names
            whole = parser(batch(*lines))
    assert whole is not None
    with pytest.MonkeyPatch.context() as patch:
        if loops == "Python":
            patch.setattr(native, "loops", None)
        quick, wanted = made(**options)(whole), slow(made(**options))(whole.owned())
    assert entries(quick) == entries(wanted)


def test_what_a_stage_has_changed_is_looked_at_again() -> None:
    records = parsed('{"a":"b"}', '{"a":"c"}')
    assert records.literal
    assert records.routed("r", None).literal
    assert records.pick([1]).literal
    kept = records.select([True, False])
    assert kept is not None
    assert kept.literal
    assert not records.replace(lines=[b"", b""]).literal
    assert not records.replace(fields=[{}, {}]).literal
    assert type(records.parsed) is Records
    shape = records.parsed.shape
    changed = Records(shape, [shape.of({"a": CARD}), records.parsed[1]])
    result = redact.Stage(["card"])(records.replace(parsed=changed))
    assert [row.fields for row in entries(result)] == [{"a": "[redacted]"}, {"a": "c"}]


def test_records_stay_records_if_their_names_stay() -> None:
    lines = '{"a":"bob@example.com"}', '{"a":"c"}'
    records = parsed(*lines)
    result = redact.Stage(["email"])(records)
    assert result is not None
    assert type(result.parsed) is Records
    assert result.parsed[1] is (records.parsed or [])[1]
    keyed = made(keys=["a", "pw"])(parsed('{"a":"x","b":{"pw":1},"n":1}', '{"b":"a=2"}', '{"n":2}'))
    assert keyed is not None
    assert type(keyed.parsed) is Records
    r = "[redacted]"
    assert [row.fields for row in entries(keyed)] == [
        {"a": r, "b": {"pw": r}, "n": 1}, {"b": f"a={r}"}, {"n": 2},
    ]  # fmt: skip
    renamed = redact.Stage(["email"])(parsed('{"bob@example.com":1}', '{"a":"c"}'))
    assert [row.fields for row in entries(renamed)] == [{"[redacted]": 1}, {"a": "c"}]


def test_a_batch_with_nothing_in_it_is_passed_on_as_it_is() -> None:
    for whole in (batch("one", "two"), batch("one", fields=[{"a": 1}]), parsed('{"a":"b"}')):
        assert redact.Stage(ALL)(whole) is whole
    records = parsed('{"a":"b"}')
    redact.Stage(ALL)(records)
    assert type(records.parsed) is Records


def test_lines_with_nothing_in_them_keep_their_bytes() -> None:
    lines = [*LINES, b"\xff bob@example.com \xfe", b"two\nlines"]
    (*rest, last, two) = entries(redact.Stage(["email"])(batch(*lines)))
    assert [row.message for row in rest] == list(LINES)
    assert last.message == b"\xff [redacted] \xfe"
    assert two.message == b"two\nlines"


def test_only_the_fields_that_are_named() -> None:
    fields = {"msg": CARD, "other": CARD, "in": {"a": CARD, "b": CARD}}
    stage = made(what=["card"], fields=["msg", "in.a", "none"])
    (row,) = entries(stage(batch(CARD, fields=[fields])))
    r = "[redacted]"
    assert row[:5] == (CARD.encode(), row.time, "stdout", 0, {
        "msg": r, "other": CARD, "in": {"a": r, "b": CARD},
    })  # fmt: skip
    (row,) = entries(made(what=["card"], fields=["message"])(batch(CARD, fields=[fields])))
    assert (row.message, row.fields) == (b"[redacted]", fields)


@pytest.mark.parametrize("pattern", [r"secret=\S+", r"^secret=\S+$", r"\bsecret=\w+(?!\s)"])
def test_patterns_see_each_line_by_itself(pattern: str) -> None:
    stage = made(patterns=[pattern], **{"with": "***"})
    whole = batch("a", "secret=b", "c", fields=[{}, {"m": "secret=b"}, {}])
    assert [(row.message, row.fields) for row in entries(stage(whole))] == [
        (b"a", {}), (b"***", {"m": "***"}), (b"c", {}),
    ]  # fmt: skip


def test_a_pattern_with_quotes_is_found_in_fields() -> None:
    (row,) = entries(made(patterns=['p="[^"]*"'])(batch("x", fields=[{"m": 'p="x"', "n": 5}])))
    assert row.fields == {"m": "[redacted]", "n": 5}


def test_a_number_that_a_pattern_matches_is_replaced() -> None:
    fields = {"ssn": 123456789, "f": 0.5, "t": True, "n": None, "big": 10**400}
    (row,) = entries(made(patterns=[r"\b\d{9}\b"])(batch("x", fields=[fields])))
    assert row.fields == fields | {"ssn": "[redacted]"}


def test_hashes_are_the_same_for_the_same_thing_and_another_key_gives_others() -> None:
    def hashed(**options: Any) -> list[bytes]:
        stage = made(what=["card", "email"], **{"with": "sha256"}, **options)
        lines = CARD, CARD.replace(" ", "-"), "Bob@example.com", "bob%40example.com", "a@b.de"
        return [row.message for row in entries(stage(batch(*lines)))]

    one, two, three, four, five = hashed(key="k" * 16)
    assert one == two != three == four != five
    assert one == b"sha256:fb394b048e4f6fce"
    assert not set(hashed(key="l" * 16)) & {one, three, five}
    assert hashed() == hashed()
    assert not set(hashed()) & {one, three, five}


def test_what_is_nested_too_deeply_is_replaced_as_a_whole() -> None:
    deep: Any = CARD
    for level in range(900):
        deep = {"a": deep} if level % 2 else [deep]
    (row,) = entries(redact.Stage(["card"])(batch("x", fields=[{"a": deep, "b": CARD}])))
    assert row.fields["b"] == "[redacted]"
    assert CARD not in str(row.fields)
    assert str(row.fields).count("[redacted]") == 2


def test_names_with_nothing_in_them_are_remembered_and_not_too_many() -> None:
    stage = made(what=["email"], keys=["password"])
    for number in range(2500):
        fields = {f"n{number}": "a@b.de", "password": 1, "a@b.de": 2, "x" * 500: 3}
        (row,) = entries(stage(batch("x", fields=[fields])))
        assert list(row.fields.items()) == [
            (f"n{number}", "[redacted]"), ("password", "[redacted]"), ("[redacted]", 2),
            ("x" * 500, 3),
        ]  # fmt: skip
        assert len(stage._plain) <= 1000
    assert "n2499" in stage._plain
    assert not {"password", "a@b.de", "x" * 500} & stage._plain


def test_names_that_become_the_same_keep_their_values() -> None:
    fields = {"a@b.de": 1, "c@d.de": 2}
    (row,) = entries(redact.Stage(["email"])(batch("x", fields=[fields])))
    assert row.fields == {"[redacted]": 1, "[redacted]_2": 2}
    fields = {"[redacted]": 0, "a@b.de": 1, "[redacted]_2": 2, "b": 3}
    (row,) = entries(redact.Stage(["email"])(batch("x", fields=[fields])))
    assert row.fields == {"[redacted]": 0, "[redacted]_2": 1, "[redacted]_2_2": 2, "b": 3}


@pytest.mark.fault(116)
def test_many_names_that_become_the_same_take_time_that_grows_with_their_number() -> None:
    fields = {f"a{n}@b.de": n for n in range(20_000)} | {"[redacted]_3": "own", "[redacted]": 0}
    before = time.thread_time()
    (row,) = entries(redact.Stage(["email"])(batch("x", fields=[fields])))
    assert time.thread_time() - before < 5
    assert list(row.fields.values()) == list(fields.values())
    assert "a@b" not in str(row.fields)


@pytest.mark.parametrize(
    ("options", "path", "text"),
    [
        ({}, "", "write what to redact"),
        ({"what": ["ip"], "key": "k" * 16}, "key", "for with"),
        ({"patterns": ["a", "("]}, "patterns[1]", "cannot be read"),
        ({"patterns": [r"\d+ms"]}, "patterns[0]", "on long texts"),
        ({"patterns": ["a*"]}, "patterns[0]", "matches an empty text"),
        ({"what": ["ip"], "fields": []}, "fields", "name the fields"),
        ({"what": ["ip"], "fields": ["a..b"]}, "", "is not a field"),
    ],
)
def test_what_cannot_work_is_said(options: dict[str, Any], path: str, text: str) -> None:
    with pytest.raises(ConfigError, match=text) as caught:
        made(**options)
    assert caught.value.path == path


@pytest.mark.parametrize(("key", "is_valid"), [("k" * 16, True), ("kkkkk", False)])
def test_the_key_is_a_secret_of_some_length(key: str, is_valid: bool) -> None:
    table = '{ what = ["ip"], with = "sha256", key = "${KEY}" }'
    text = f"[routes.r]\nstages = [{{ redact = {table} }}]\nto = ['console']\n"
    text += "[sinks.console]\ntype = 'console'\n"
    if is_valid:
        config = parse_toml(text, {"KEY": key}).config.routes["r"].stages[0].config
        assert type(config.key) is Secret
        assert key not in repr(config)
    else:
        with pytest.raises(ConfigErrors, match="at least 16") as caught:
            parse_toml(text, {"KEY": key})
        assert key not in str(caught.value)


# -------------------------------------------------------------------------- values of names


@pytest.mark.fault(107)
@pytest.mark.parametrize(
    ("line", "new"),
    [
        ('{"password":"hunter2","a":1}', '{"password":"*","a":1}'),
        ('{"a": 1, "Password" : "hu\\"nter2\\\\"}', '{"a": 1, "Password" : "*"}'),
        ('{"password":1234.5}', '{"password":"*"}'),
        ('{"password":null,"api-key":"","b":2}', '{"password":null,"api-key":"","b":2}'),
        ('{"password":{"a":"}","b":["hunter2"]},"c":3}', '{"password":"*","c":3}'),
        ('{"password":["hunter2"', '{"password":"*"'),
        ('{"password":"hunter2', '{"password":"*'),
        (r'{"m":"{\"password\":\"hu\\\"nter2\"}"}', r'{"m":"{\"password\":\"*\"}"}'),
        (r'{"m":"{\"password\":12}"}', r'{"m":"{\"password\":\"*\"}"}'),
        (r'{"m":"a\npassword=hunter2\nb"}', r'{"m":"a\npassword=*\nb"}'),
        (r'{"m":"password=hunter2"}', '{"m":"password=*"}'),
        ("{'password': 'hunter2', 'a': 1}", "{'password': '*', 'a': 1}"),
        ('password="hunter 2" a=1', 'password="*" a=1'),
        ("/login?password=hunter2&a=1", "/login?password=*&a=1"),
        ('{"password":' + " " * 20 + '"hunter2"}', '{"password":' + " " * 20 + '"*"}'),
        ("password" + " " * 20 + ": hunter2", "password" + " " * 20 + ": *"),
        ("{'password': b'hunter2'}", "{'password': b'*'}"),
        ("User(password=hunter2, name=bob)", "User(password=*, name=bob)"),
        ("User(password=hun,ter2) left", "User(password=*) left"),
        (r"password=DOMAIN\\hunter2 a", "password=* a"),
        ("api-key: Bearer hunter2", "api-key: *"),
        (':password => "hunter2"', ':password => "*"'),
        ("PASSWORD:hunter2 password=hunter2", "PASSWORD:* password=*"),
        ("password_hash=1 the_password=2 password", "password_hash=1 the_password=2 password"),
    ],
)
def test_values_of_keys_are_replaced_however_they_are_written(line: str, new: str) -> None:
    stage = made(keys=["password", "API-Key"], **{"with": "*"})
    (row,) = entries(stage(batch(line)))
    assert row.message == new.encode()
    (row,) = entries(stage(batch("x", fields=[{"said": line.replace("\\\\", "\\")}])))
    assert "hunter2" not in row.fields["said"]


def test_values_of_keys_are_replaced_in_fields_at_any_depth_whatever_they_are() -> None:
    fields = {
        "password": "a", "PASSWORD": 12, "in": [{"Password": {"deep": 1}, "password ": "stays"}],
        "passwords": ["stays"], "on": {"password": True}, "none": {"password": None},
    }  # fmt: skip
    (row,) = entries(made(keys=["password"])(batch("x", fields=[fields])))
    assert row.fields == {
        "password": "[redacted]", "PASSWORD": "[redacted]",
        "in": [{"Password": "[redacted]", "password ": "stays"}], "passwords": ["stays"],
        "on": {"password": "[redacted]"}, "none": {"password": None},
    }  # fmt: skip


@pytest.mark.fault(107)
def test_flattened_names_are_treated_alike_in_the_message_and_the_fields() -> None:
    stage = made(keys=["password"])
    line = '{"user.password":"[redacted]","a.password_hash":"b"}'
    (row,) = entries(stage(parsed(line.replace("[redacted]", "hunter2"))))
    assert row.message == line.encode()
    assert row.fields == json.loads(line)
    logfmt = parse.Stage("logfmt").bind(container())(batch("user.password=hunter2 a=b"))
    assert logfmt is not None
    (row,) = entries(stage(logfmt))
    assert row.message == b"user.password=[redacted] a=b"
    assert row.fields == {"user.password": "[redacted]", "a": "b"}


def test_keys_may_be_looked_for_in_some_fields_only() -> None:
    fields = {"password": "a", "in": {"password": "b", "c": 1}, "other": {"password": "c"}}
    stage = made(keys=["password"], fields=["password", "in", "missing"])
    (row,) = entries(stage(batch("password=d", fields=[fields])))
    assert row.message == b"password=d"
    assert row.fields == {
        "password": "[redacted]",
        "in": {"password": "[redacted]", "c": 1},
        "other": {"password": "c"},
    }


@pytest.mark.fault(110)
@pytest.mark.parametrize("value", [CARD, int(CARD.replace(" ", ""))])
def test_more_things_in_the_fields_of_an_entry_than_anybody_writes_are_replaced_as_a_whole(
    value: Any,
) -> None:
    fields = {"few": [f"x {value} y"], "many": [value] * 5000, "behind": f"x {value} y", "z": "z"}
    first, second = entries(redact.Stage(["card"])(batch("", "", fields=[fields, fields])))
    assert first.fields == {
        "few": ["x [redacted] y"],
        "many": ["[redacted]"] * 5000,
        "behind": "[redacted]",
        "z": "z",
    }
    assert second.fields == first.fields


def test_names_of_fields_count_among_the_things_of_an_entry() -> None:
    fields: dict[str, Any] = {f"{n} {CARD}": n for n in range(5000)}
    (entry,) = entries(redact.Stage(["card"])(batch("", fields=[{**fields, "x": f"x {CARD}"}])))
    assert entry.fields is not None
    assert len(entry.fields) == 5001
    assert entry.fields["x"] == "[redacted]"
    assert entry.fields["0 [redacted]"] == 0
    assert "4111 1111" not in json.dumps(entry.fields)


def test_the_hash_of_a_value_is_the_same_in_the_message_and_in_the_field() -> None:
    line = json.dumps({"token": 'a"b', "n": {"token": 12}})
    stage = made(keys=["token"], key=Secret("k" * 16), **{"with": "sha256"})
    (row,) = entries(stage(parsed(line)))
    assert json.loads(row.message) == row.fields
    assert row.fields["token"] != row.fields["n"]["token"]


@pytest.mark.parametrize("seed", range(300))
def test_what_json_holds_under_a_key_is_in_neither_the_message_nor_the_fields(seed: int) -> None:
    chance = random.Random(seed)
    said = _anything(chance, 4)
    line = json.dumps(
        {"any": said, "password": _anything(chance, 2)},
        ensure_ascii=chance.random() < 0.5,
        separators=chance.choice([(",", ":"), (", ", ": ")]),
        indent=None,
    )
    (row,) = entries(made(keys=["password", "api-key"])(parsed(line)))
    assert "hunter2" not in row.message.decode()
    assert json.loads(row.message) == row.fields


def _anything(chance: random.Random, levels: int, secret: bool = False) -> Any:
    """JSON in which `hunter2` stands under a key only; as texts of JSON, too."""
    kind = chance.randrange(7 if levels else 3)
    text = "".join(chance.choices('a"\\\n/{}[],:= \u00e9', k=chance.randrange(6)))
    if kind < 2:
        return f"{text}hunter2{text}" if secret else text
    if kind == 2:
        return chance.choice([77, 1.5, True, None, ""])
    if kind == 3:
        return [_anything(chance, levels - 1, secret) for _ in range(chance.randrange(4))]
    names = ["a", "b c", "password", "Api-Key", "the password"]
    found = {
        name: _anything(chance, levels - 1, secret or name.lower() in ("password", "api-key"))
        for name in chance.sample(names, chance.randrange(4))
    }
    return json.dumps(found) if kind == 6 and levels < 4 else found


@pytest.mark.parametrize(
    "piece",
    [
        '"password":"', "password=", 'password="', "'password':'", '"password":{', '"password":[{"',
        "password:\\", '\\"password\\":\\"', "password", "password:" + " " * 9,
        "password" + " " * 500,
        "\\", 'password\\\\"',
    ],
)  # fmt: skip
def test_values_of_keys_are_found_in_time_that_grows_with_the_text(piece: str) -> None:
    stage = made(keys=["password"])
    line = piece * (2**20 // len(piece))
    began = time.process_time()
    stage(batch("password=" + line))
    assert time.process_time() - began < 3


@pytest.mark.parametrize("name", ["", "a.b", "a b", '"password"'])
def test_what_is_no_name_cannot_be_a_key(name: str) -> None:
    with pytest.raises(ConfigError, match="write a name") as caught:
        made(keys=[name])
    assert caught.value.path == "keys[0]"
