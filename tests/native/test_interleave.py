"""Rows written in C are those that `%` writes."""

from __future__ import annotations

import sys
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import native
from pipeline.encode.bulk import BulkEncoder, Index
from pipeline.encode.json import JsonEncoder
from pipeline.expression import compile_template
from pipeline.model.records import Records, Shape
from pipeline.testing.builders import batch
from tests.native.examples import examples

LARGEST = (1 << 63) - 1


def test_each_kind_of_column_is_written(c: native.Loops) -> None:
    columns = ([b"a", b""], [0, LARGEST], range(9, 11), (b"x|", b"|"))
    literals = (b"<", b" ", b" ", b",", b">\n")
    assert c.interleave(literals, columns, 2) == b"<a 0 9,x>\n< %d 10>\n" % LARGEST


def test_texts_are_quoted_and_cells_are_chosen(c: native.Loops) -> None:
    columns = (([b'a"\n', b"\xff"],), (b"\1\0", (b"no", b"yes")))
    assert c.interleave((b'"', b'"', b"\n"), columns, 2) == b'"a\\"\\n"yes\n"\xef\xbf\xbd"no\n'


PIECES = [
    *(b'"', b"\\", b"\0", b"\n", b"\x1f", b"\x7f", b"plain text", b"\xc3\xa9", b"\xe2\x82"),
    *(b"\xf0\x9f\x98", b"\xf0\x9f\x98\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\x80"),
]
TEXTS = st.binary(max_size=40) | st.lists(st.sampled_from(PIECES)).map(b"".join)


@settings(max_examples=examples(1000), deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=4))
def test_any_text_is_quoted_as_in_python(c: native.Loops, texts: list[bytes]) -> None:
    found = c.interleave((b"", b"\n"), ((texts,),), len(texts))
    assert found == b"".join(
        orjson.dumps(text.decode("utf-8", "replace"))[1:-1] + b"\n" for text in texts
    )


def test_each_byte_is_quoted_as_in_python_wherever_it_stands(c: native.Loops) -> None:
    texts = [b"x" * before + bytes([each]) for each in range(256) for before in range(10)]
    texts += [text + b"y" * 9 for text in texts] + [b'q"' * 100_000]
    found = c.interleave((b"", b"\n"), ((texts,),), len(texts))
    assert found == b"".join(
        orjson.dumps(text.decode("utf-8", "replace"))[1:-1] + b"\n" for text in texts
    )


def test_only_the_literals_own_comma_is_left_out_before_an_empty_piece(c: native.Loops) -> None:
    assert c.interleave((b"", b"", b";"), ([b"a,", b"b,"], (b"|", b"|")), 2) == b"a,;b,;"
    assert c.interleave((b",", b";"), ((b"||,", b"|"),), 3) == b";;,,;"
    assert c.interleave((b"-", b";"), ((b"|", b"|"),), 2) == b"-;-;"


@pytest.mark.parametrize(
    ("literals", "columns", "count"),
    [
        ((b"", b""), ([b"a"],), 0),
        ((b"", b""), ([b"a"],), -1),
        ((b"", b""), ([b"a"],), 2),
        ((b"", b""), ([b"a", b"b"],), 1),
        ((b"",), ([b"a"],), 1),
        ((b"", b"", b""), ([b"a"],), 1),
        ((b"", ""), ([b"a"],), 1),
        ((b"", b""), ((b"a",),), 1),
        ((b"", b""), (b"a",), 1),
        ((b"", b""), (["a"],), 1),
        ((b"", b""), ([None],), 1),
        ((b"", b""), ([True],), 1),
        ((b"", b""), ([-1],), 1),
        ((b"", b""), ([LARGEST + 1],), 1),
        ((b"", b""), ([1 << 200],), 1),
        ((b"", b""), (range(-2, 0),), 2),
        ((b"", b""), (range(1 << 64, (1 << 64) + 1),), 1),
        ((b"", b""), (range(3),), 2),
        ((b"", b""), (range(4, 2, -1),), 2),
        ((b"", b""), (range((1 << 63) - 1, (1 << 63) + 1),), 2),
        ((b"", b""), ((),), 1),
        ((b"", b""), (([b"a", b"b"],),), 1),
        ((b"", b""), (([1],),), 1),
        ((b"", b""), ((b"a",),), 1),
        ((b"", b""), ((b"\0", ()),), 1),
        ((b"", b""), ((b"\1", (b"a",)),), 1),
        ((b"", b""), ((b"\0\0", (b"a",)),), 1),
        ((b"", b""), ((b"\0", ("a",)),), 1),
        ((b"", b""), (("\0", (b"a",)),), 1),
        ((b"", b""), (range(1 << 70),), 2),
        ((b"", b"", b""), ([b"a"], range(1 << 64)), 1),
        ((b"",), (), 1),
        ((b"",), (), sys.maxsize),
        ((b"", b""), ((b"a|b", b"|"),), 1),
        ((b"", b""), ((b"a|b", b"|"),), 3),
        ((b"", b""), ((b"a", b""),), 1),
        ((b"", b""), (("a", b"|"),), 1),
        ((b"",) * 10, ([b"a"],) * 9, 1),
        ((b"x" * 9, b""), ([b"a"],), sys.maxsize),
    ],
)
def test_what_does_not_fit_is_given_back(
    c: native.Loops, literals: Any, columns: Any, count: int
) -> None:
    assert c.interleave(literals, columns, count) is None


def test_a_separator_is_found_wherever_it_stands(c: native.Loops) -> None:
    for pieces in (b"}}\n{{", b"}\n{", b"}\n}\n{\n{", b"a}\n{b}\n", b"\n{}\n{}"):
        assert c.interleave((b"", b"\0"), ((pieces, b"}\n{"),), 2) == b"".join(
            piece + b"\0" for piece in pieces.split(b"}\n{")
        )


CELLS = st.binary(max_size=12) | st.sampled_from([b"}", b"\n{", b"}\n{", b",", b"%b"])


@settings(max_examples=examples(400), deadline=None)
@given(st.data(), st.integers(1, 6), st.integers(1, 4))
def test_rows_are_what_joining_their_cells_gives(
    c: native.Loops, data: st.DataObject, count: int, width: int
) -> None:
    literals = data.draw(st.tuples(*[st.binary(max_size=9)] * (width + 1)))
    kinds = data.draw(
        st.tuples(*[st.sampled_from(["bytes", "numbers", "range", "pieces"])] * width)
    )
    columns: list[Any] = []
    cells: list[list[bytes]] = []
    for kind in kinds:
        if kind == "range":
            first = data.draw(st.integers(0, 1 << 62))
            columns.append(range(first, first + count))
            cells.append([b"%d" % number for number in columns[-1]])
        elif kind == "numbers":
            columns.append(
                data.draw(st.lists(st.integers(0, LARGEST), min_size=count, max_size=count))
            )
            cells.append([b"%d" % number for number in columns[-1]])
        else:
            texts = data.draw(st.lists(CELLS, min_size=count, max_size=count))
            if kind == "pieces":
                texts = [text.replace(b"}\n{", b"") or b"x" for text in texts]
                pieces = b"}\n{".join(texts)
                texts = pieces.split(b"}\n{")
                columns.append((pieces, b"}\n{"))
            else:
                columns.append(texts)
            cells.append(texts)
    found = c.interleave(literals, tuple(columns), count)
    if any(len(column) != count or b"" in column for column in cells if column is not None):
        return  # a piece that was cut in two, or none: the other tests have these
    assert found == b"".join(
        b"".join(literal + cell for literal, cell in zip(literals, (*row, b""), strict=True))
        for row in zip(*cells, strict=True)
    )


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=4,
)
FIELDS = st.dictionaries(
    st.sampled_from(["a", "b", "level", "host", "message", "c.d"]), VALUES, max_size=4
)
MESSAGES = st.binary(max_size=30) | st.sampled_from([b"},{", b"}\n{", b"\x7f", b"", b'{"a":"%b"}'])


@settings(max_examples=examples(400), deadline=None)
@given(
    st.lists(st.tuples(MESSAGES, FIELDS), min_size=1, max_size=6),
    st.sampled_from(["none", "dictionaries", "records"]),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_any_batch_is_the_same_json_either_way(
    c: native.Loops,
    entries: list[tuple[bytes, Any]],
    parsed: str,
    bare: bool,
    some: bool,
    mixed: bool,
) -> None:
    one = batch(*(message for message, _ in entries))
    if mixed:
        one = one.replace(streams=bytes(number % 3 for number in range(len(one))))
    fields = [each for _, each in entries]
    if parsed == "dictionaries":
        one = one.replace(fields=fields)
    elif parsed == "records":
        shape = Shape(("a", "b", "level", "host", "message", "c.d"))
        one = one.replace(parsed=Records(shape, map(shape.of, fields)))
    if some:
        one = one.replace(sequences=[7 * number for number in range(1, len(one) + 1)])
    one = one.replace(bare=bare)
    found, before = [], native.loops
    try:
        for native.loops in (c, None):
            found.append((JsonEncoder().encode([one]), bulk().encode([one])))
    finally:
        native.loops = before
    assert found[0] == found[1]


def bulk() -> BulkEncoder:
    return BulkEncoder(Index("logs-%Y.%m.%d", compile_template))


def test_nothing_is_kept_of_what_was_written(c: native.Loops) -> None:
    def write() -> int:
        for _ in range(300):
            c.interleave((b"a", b"b", b"c"), (range(300, 320), (b"x|" * 19, b"|")), 20)
            c.interleave((b"a", b"b", b"c"), (range(300, 320), (b"x|" * 18, b"|")), 20)
            c.interleave((b"a", b"b"), ([1 << 70],), 1)
        return sys.getallocatedblocks()

    write()
    first = write()
    assert max(write() - first, write() - first) < 100
