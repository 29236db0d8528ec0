"""The stage `lookup`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import ConfigErrors
from pipeline.config.file import parse
from pipeline.model.component import Stage
from pipeline.model.errors import ConfigError
from pipeline.stages import lookup
from pipeline.stages import parse as parse_
from pipeline.testing.builders import batch, container, entries
from pipeline.testing.stage_kit import StageKit

USERS = """\
user,team,owner
ann,core,bob
"o'neil, x",edge,
1,numbers,☃
"""


def made(folder: Path, text: str | bytes, name: str = "users.csv", **config: Any) -> Stage:
    file = folder / name
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return lookup.Stage(lookup.Lookup(**({"file": str(file), "on": "{user}"} | config)))


def after(stage: Stage, *fields: dict[str, Any]) -> list[dict[str, Any]]:
    result = stage(batch(*["x"] * len(fields), fields=fields))
    return [entry.fields for entry in entries(result)]


class TestLookup(StageKit):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def make(self) -> Stage:
        text = "level,msg,http.status\nerror,x,1\n503,y,2\n,z,3\n"
        return made(self.folder, text, key="level", on="{level}")


class TestLookupOfNestedValues(StageKit):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def make(self) -> Stage:
        text = '{"error": {"http": {"a": [1]}, "n": 1}, "": {"n": null, "a.b": 2}}'
        return made(self.folder, text, "levels.json", on="{level}", missing={"n": 5})


def test_the_row_of_a_key_becomes_fields(tmp_path: Path) -> None:
    stage = made(tmp_path, USERS, key="user")
    fields = {"user": "ann", "n": 1}, {"user": "o'neil, x"}, {"user": 1, "team": "?"}, {"user": "z"}
    assert after(stage, *fields) == [
        {"user": "ann", "n": 1, "team": "core", "owner": "bob"},
        {"user": "o'neil, x", "team": "edge"},
        {"user": 1, "team": "numbers", "owner": "☃"},
        {"user": "z"},
    ]


def test_only_what_is_chosen_is_set_and_what_is_missing_may_have_a_value(tmp_path: Path) -> None:
    stage = made(tmp_path, USERS, key="user", set=["owner"], missing={"owner": "nobody"})
    assert after(stage, {"user": "ann"}, {"user": "o'neil, x"}, {}) == [
        {"user": "ann", "owner": "bob"},
        {"user": "o'neil, x", "owner": "nobody"},
        {"owner": "nobody"},
    ]


def test_what_is_looked_for_may_be_made_of_several_things(tmp_path: Path) -> None:
    stage = made(tmp_path, "at,team\napi-1/stdout,x\n", key="at", on="{container.name}/{stream}")
    assert entries(stage(batch("a")))[0].fields == {"team": "x"}


def test_entries_that_nothing_is_found_for_go_on_as_they_are(tmp_path: Path) -> None:
    stage, reader = made(tmp_path, USERS, key="user"), parse_.Stage("json").bind(container())
    for _ in range(2):
        whole = reader(batch('{"user":"x"}'))
        assert whole is not None
        assert stage(whole) is whole
    bare = batch("a")
    assert stage(bare) is bare


def test_json_and_tabs_are_read_by_the_files_name(tmp_path: Path) -> None:
    rows = {"ann": {"team": {"name": "core", "size": 5}, "x": None}, "bob": {"n": 1.5}}
    stage = made(tmp_path, json.dumps(rows), "users.json")
    assert after(stage, {"user": "ann"}, {"user": "bob"}) == [
        {"user": "ann", "team": {"name": "core", "size": 5}},
        {"user": "bob", "n": 1.5},
    ]
    stage = made(tmp_path, "user\tteam\nann\ta,b\n", "users.tsv", key="user")
    assert after(stage, {"user": "ann"}) == [{"user": "ann", "team": "a,b"}]


def test_what_windows_programs_write_is_read(tmp_path: Path) -> None:
    text = '\ufeffuser,team\r\n\r\nann,"two\r\nlines"\r\n'
    stage = made(tmp_path, text, key="user")
    assert after(stage, {"user": "ann"}) == [{"user": "ann", "team": "two\r\nlines"}]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("user,team\nann,x\nbob\n", "line 3: 1 value, where the first line has 2 names"),
        ("user,team\nann,x\nann,y\n", 'line 3: "ann" is there already'),
        ('user,team\nann,x\n\n"bob,y\n', "line 4: "),
        ("user,team,team\nann,x,y\n", "line 1: two columns have the same name"),
        (b"user,team\nann,x\nb\xff,y\n", "line 3: not UTF-8"),
    ],
)
def test_a_mistake_in_the_file_is_told_with_its_line(
    tmp_path: Path, text: str | bytes, said: str
) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        made(tmp_path, text, key="user")
    assert str(tmp_path / "users.csv") in caught.value.message
    assert caught.value.path == "file"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"ann": {\n"team": x}}', "line 2: "),
        ("[]", "not an object of objects"),
        ('{"ann": 5}', 'value of "ann"'),
        ('{"ann": {"n": NaN}}', "NaN"),
        ('{"ann": {"n": 1' + "0" * 5000 + "}}", "digits"),
        ("[" * 100_000, "recursion"),
    ],
)
def test_a_mistake_in_json_is_told_too(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        made(tmp_path, text, "users.json")
    assert str(tmp_path / "users.json") in caught.value.message


@pytest.mark.parametrize(
    ("config", "path"),
    [
        ({}, ""),
        ({"key": "usr"}, "key"),
        ({"key": "user", "set": ["team", "ownr"]}, "set[1]"),
        ({"key": "user", "set": ["team"], "missing": {"owner": "x"}}, "missing.owner"),
        ({"key": "user", "on": "{user"}, "on"),
        ({"key": "user", "file": "/does/not/exist.csv"}, "file"),
        ({"key": "user", "file": "/dev"}, "file"),
    ],
)
def test_what_does_not_fit_names_its_place(
    tmp_path: Path, config: dict[str, Any], path: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        made(tmp_path, USERS, **config)
    assert caught.value.path == path
    with pytest.raises(ConfigError, match="leave this out"):
        made(tmp_path, "{}", "users.json", key="user")
    with pytest.raises(ConfigError, match="that dockline uses in its output"):
        made(tmp_path, "user,container\nann,x\n", key="user")


def test_a_file_beyond_the_limit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookup, "LARGEST", 2**20)
    with pytest.raises(ConfigError, match="larger than 1 MiB"):
        made(tmp_path, "user,team\n" + "x" * 2**20, key="user")


def test_check_tells_of_the_file_under_the_line_that_names_it() -> None:
    text = '[routes.a]\nstages = [\n{ lookup = { file = "/no", key = "a", on = "{a}" } }]\n'
    with pytest.raises(ConfigErrors) as caught:
        parse(text + 'to = ["console"]\n', {})
    (problem,) = caught.value.problems
    assert (problem.line, problem.path) == (3, "routes.a.stages[0].lookup.file")
    assert problem.message == "/no cannot be read: No such file or directory"


def test_check_knows_what_it_reads_and_makes(tmp_path: Path) -> None:
    effect = made(tmp_path, USERS, key="user", set=["team"]).effect()
    assert [(use.field, use.key) for use in effect.reads] == [("user", "on")]
    assert effect.makes == {"team"}
