"""Changes in a TOML text that leave all else in it as it is."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config.edit import Document, Row
from pipeline.model.errors import DocklineError

PATH = ("t", 0, "a")


def edited(text: str, *rows: Row) -> str:
    document = Document(text)
    document.set_array(PATH, rows)
    return str(document)


def values(text: str) -> list[object]:
    return list(tomllib.loads(text)["t"][0]["a"])


def test_an_element_is_replaced_where_it_stands() -> None:
    text = "# top\n[[t]]\na = [ # one\n   {x=1} , # two\n  'b'\n]   # end\nz=1"
    assert edited(text, Row(0), Row(1, "7")) == text.replace("'b'", "7")
    assert edited(text, Row(0, "0"), Row(1)) == text.replace("{x=1}", "0")


def test_a_short_array_stays_on_its_line() -> None:
    text = "[[t]]\na = [1, 2]  # why\nb = 1\n"
    assert edited(text, Row(1)) == "[[t]]\na = [2]  # why\nb = 1\n"
    assert edited(text, Row(0), Row(None, "5"), Row(1)) == "[[t]]\na = [1, 5, 2]  # why\nb = 1\n"
    assert edited(text) == "[[t]]\na = []  # why\nb = 1\n"


def test_a_long_array_gets_a_line_for_each_element() -> None:
    long = '"' + "x" * 60 + '"'
    assert edited("[[t]]\n  a = []\nb = 1", Row(None, long), Row(None, long)) == (
        f"[[t]]\n  a = [\n    {long},\n    {long},\n  ]\nb = 1"
    )


def test_comments_stay_those_of_elements_that_go_as_well() -> None:
    text = "[[t]]\na = [ # open\n  # first\n  1, # one\n  # second\n  2 # two\n  , # tail\n]\n"
    assert edited(text, Row(1)) == (
        "[[t]]\na = [  # open\n  # first\n  # one\n  # second\n  2,  # two\n  # tail\n]\n"
    )
    assert edited(text) == (
        "[[t]]\na = [  # open\n  # first\n  # one\n  # second\n  # two\n  # tail\n]\n"
    )
    assert edited(text, Row(0, "9"), Row(None, "8"), Row(1)) == (
        "[[t]]\na = [  # open\n  # first\n  9,  # one\n  8,\n  # second\n  2,  # two\n  # tail\n]\n"
    )


@pytest.mark.parametrize("text", ["[[t]]\na = ['#', 2]", "t = [{ a = ['#', [\n2 # x\n]] }]"])
def test_a_hash_in_a_text_is_no_comment(text: str) -> None:
    assert values(edited(text, Row(0))) == ["#"]


def test_the_ends_of_lines_and_the_mark_at_the_beginning_stay() -> None:
    text = "\ufeff# x\r\n[[t]]\r\nb = 1\r\na = [\r\n  1,\r\n  2,\r\n]\r\nc = '''\r\n'''\r\n"
    assert edited(text, Row(0), Row(1, "3")) == text.replace("2", "3")
    assert edited(text, Row(0)) == text.replace("  2,\r\n", "")


def test_several_arrays_are_changed_at_once() -> None:
    document = Document("[[t]]\na = [1]\n[[t]]\na = [2]\n")
    document.set_array(("t", 0, "a"), [Row(0, "100")])
    document.set_array(("t", 1, "a"), [])
    assert str(document) == "[[t]]\na = [100]\n[[t]]\na = []\n"
    assert (document.line(("t", 1, "a")), document.line(("t", 2))) == (4, None)


def test_an_array_of_tables_is_refused() -> None:
    with pytest.raises(DocklineError, match="brackets"):
        edited("[[t]]\n[[t.a]]\nx = 1\n", Row(0, "1"))


GAPS = st.sampled_from(["", " ", "\n", " # x\n", "\n  # é, ]\n\n", "  # '\n# \"\n", "\t\n\t"])
ELEMENTS = st.sampled_from(
    ["1", "'#]'", '"\\"#,"', "[1, # no\n 2]", "{ a = '}', b = [1] }", "'''\n#'''", '"é☃"', "{}"]
)


@given(data=st.data(), elements=st.lists(ELEMENTS, max_size=5), newline=st.sampled_from("nr"))
def test_any_array_has_what_it_is_to_have_and_the_rest_is_untouched(
    data: st.DataObject, elements: list[str], newline: str
) -> None:
    gap = lambda: data.draw(GAPS)  # noqa: E731
    inside = "".join(f"{gap()}{one}{gap()}," for one in elements) + gap()
    before, behind = '"é" = 1 # a = [1]\n[[t]]\n  a =  ', "  # end\nz = '''\n[9]'''\n"
    kept = [index for index in range(len(elements)) if data.draw(st.booleans())]
    rows: list[Row] = []
    for index in kept:
        rows += [Row(None, '"new"')] * data.draw(st.integers(0, 1))
        rows.append(Row(index, data.draw(st.sampled_from([None, "[7]"]))))
    text = before + f"[{inside}]" + behind
    ends = "\r\n" if newline == "r" else "\n"
    result = edited(text.replace("\n", ends), *rows)
    assert result.startswith(before.replace("\n", ends))
    assert result.endswith(behind.replace("\n", ends))
    assert result.replace("\r\n", "\n").count("\r") == 0
    old = values(text)
    wanted = [
        tomllib.loads(f"x = {row.text}")["x"] if row.text else old[row.index or 0] for row in rows
    ]
    assert values(result) == wanted
    comments = [line for line in result.splitlines() if "# é, ]" in line]
    assert len(comments) == inside.count("# é, ]")
