"""The query of a request."""

from __future__ import annotations

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from pipeline.observe.query import LONGEST, Query


def query(text: str) -> Query:
    return Query(make_mocked_request("GET", f"/?{text}"), single=("one", "flag"), several=("name",))


def test_values_are_given_once_or_any_number_of_times() -> None:
    found = query("one=a%20b&name=x&name=y&flag=1")
    assert found.one("one") == "a b"
    assert found.several("name") == ["x", "y"]
    assert found.flag("flag")


def test_what_is_not_given_has_a_default() -> None:
    found = query("")
    assert (found.one("one"), found.one("one", "x"), found.several("name")) == ("", "x", [])


@pytest.mark.parametrize("text", ["", "flag=", "flag=0", "flag=false"])
def test_a_flag_may_be_off(text: str) -> None:
    assert not query(text).flag("flag")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("nam=x", 'there is no parameter "nam"'),
        ("%0A%1B=x", 'there is no parameter "\ufffd\ufffd"'),
        ("y" * 100 + "=x", f'there is no parameter "{"y" * 40}"'),
        ("one=1&one=1", 'the parameter "one" may be given once'),
        ("name=" + "x" * (LONGEST + 1), f'the parameter "name" has more than {LONGEST} characters'),
    ],
)
def test_anything_else_is_refused_in_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(web.HTTPBadRequest) as refused:
        query(text)
    assert refused.value.text == f"{sentence}\n"
    assert refused.value.headers["Cache-Control"] == "no-store"
