"""Logspout's filters, by what they select."""

from __future__ import annotations

import pytest

from pipeline.config.one_line.filters import containers, stream_stage
from pipeline.expression import compile_container
from pipeline.model.container import Container


def selects(key: str, value: str, container: Container) -> bool:
    return bool(compile_container(containers(key, value))(container))


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("web", ["web"], ["web-1", "aweb"]),
        ("web-*", ["web-1", "web-"], ["web", "a-web-1"]),
        ("*_db", ["shop_db", "_db"], ["shop_db_1"]),
        ("*db*", ["db", "a-db-1"], ["d-b"]),
        ("*", ["anything", ""], []),
        ("a*b*c", ["abc", "a1b2c"], ["ab", "abcd"]),
        ("web-?", ["web-1"], ["web-", "web-12"]),
        ("web-[12]", ["web-1", "web-2"], ["web-3"]),
        ("web-[a-c]?", ["web-b1"], ["web-d1", "web-b"]),
        ("web-[^12]", ["web-3"], ["web-1"]),
        ("a.b+(c)'\"\\", ["a.b+(c)'\"\\"], ["aXb+(c)'\"\\"]),
        ("a.*", ["a.b"], ["ab"]),
        ("[", ["["], ["a"]),
    ],
)
def test_names_are_matched_as_the_shell_does(pattern: str, yes: list[str], no: list[str]) -> None:
    for name in yes:
        assert selects("filter.name", pattern, Container("1", name, "i"))
    for name in no:
        assert not selects("filter.name", pattern, Container("1", name, "i"))


def test_an_id_may_be_cut_short() -> None:
    assert selects("filter.id", "3f1c", Container("3f1c09", "a", "i"))
    assert not selects("filter.id", "3f1c", Container("03f1c", "a", "i"))


def test_all_labels_must_match_and_one_without_a_value_must_be_there() -> None:
    labelled = Container("1", "a", "i", {"team": "shop", "tier": "", "x.y": "1:2"})
    for value in ("team:shop", "team:sh*,tier:*", "tier", "x.y:1:2", "team:*hop,tier"):
        assert selects("filter.labels", value, labelled)
    for value in ("team:sho", "team:shop,nope:*", "nope", "team:shop,tier:x"):
        assert not selects("filter.labels", value, labelled)


def test_sources_are_a_stage() -> None:
    assert stream_stage("stderr") == {"keep": "stream == 'stderr'"}
    assert stream_stage("stdout,stderr,stdout") == {
        "keep": "stream == 'stdout' or stream == 'stderr'"
    }
    with pytest.raises(ValueError, match='there is no stream "in"; write stdout or stderr'):
        stream_stage("stdout,in")
