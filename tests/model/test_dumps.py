"""`dumps` writes any value as JSON."""

import math
import tracemalloc

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.model.dumps import DEEPEST, dumps

JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text() | st.binary(),
    lambda children: st.lists(children) | st.dictionaries(st.text() | st.integers(), children),
    max_leaves=20,
)


@given(JSON)
def test_the_result_is_one_line_of_valid_json(value: object) -> None:
    written = dumps(value)
    assert b"\n" not in written
    orjson.loads(written)


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), st.booleans()))
def test_what_json_has_comes_back_unchanged(value: dict[str, bool]) -> None:
    assert orjson.loads(dumps(value)) == value


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("a\ud800b", '"a\ufffdb"'),
        ("\ud83d\ude00", '"\U0001f600"'),
        ({"\udfff": 1}, '{"\ufffd":1}'),
        (2**64, "18446744073709551616"),
        (-(2**63) - 1, "-9223372036854775809"),
        (10**999, "1" + "0" * 999),
        ({"x": 2**70, "nan": math.nan, "inf": math.inf}, f'{{"x":{2**70},"nan":null,"inf":null}}'),
        ({1: "a", None: "b", b"c": "d"}, '{"1":"a","null":"b","c":"d"}'),
        ({"raw": b"\xff"}, '{"raw":"\ufffd"}'),
        ({"odd": object()}, '{"odd":"<object>"}'),
    ],
)
def test_what_json_does_not_have_is_made_fit(value: object, written: str) -> None:
    assert dumps(value).decode() == written


def test_an_integer_beyond_the_limit_on_digits_is_written_in_hexadecimal() -> None:
    assert dumps(16**5000) == b'"0x1' + b"0" * 5000 + b'"'


def test_nesting_beyond_the_limit_is_elided() -> None:
    value: list[object] = []
    for _ in range(100_000):
        value = [value]
    assert dumps(value).decode() == "[" * DEEPEST + '"…"' + "]" * DEEPEST


def test_a_short_text_holds_on_to_no_more_than_it_is() -> None:
    tracemalloc.start()
    try:
        kept = [dumps({"n": n}) for n in range(1000)]
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(kept) == 1000
    assert held < 200 * len(kept)
