"""Whatever value a source can make, every stage takes it, and `redact` leaves no secret in it."""

from __future__ import annotations

import json
import math
from functools import cache
from typing import Any

import msgpack  # type: ignore[import-untyped]
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.buffer.columns import ColumnCodec
from pipeline.config.file import parse
from pipeline.config.settings import StageConfig
from pipeline.encode.json import JsonEncoder
from pipeline.forward.columns import Rows
from pipeline.forward.partials import Partials
from pipeline.forward.reading import objects
from pipeline.intake.received import Received
from pipeline.model import registry
from pipeline.model.batch import Batch
from pipeline.model.component import Stage, StageContext
from pipeline.model.dumps import dumps
from pipeline.parsing.syslog_columns import columns
from pipeline.testing.builders import batch, container, entries
from tests.suite.examples import examples

SECRET = "bob@example.com"

STAGES = """
    { count = { name = "n", when = "a > 1 or b.c == 'x'", labels = { a = "{a}", b = "{b.c}" } } }
    { dedupe = { within = "10s" } }
    { dedupe = { fields = ["a", "b.c"], within = "1m" } }
    { drop = "a == 'x' or b.c.startswith('y')" }
    { join = "indent" }
    { keep = "a != 'x' and len(b) < 3" }
    { level = "auto" }
    { level = { from = "a", map = { x = "critical" } } }
    { lookup = { file = "tests/config/users.csv", key = "user", on = "{a}{b.c}", set = ["team"] } }
    { observe = { name = "seconds", value = "a / 1000", labels = { b = "{b}" } } }
    { parse = "auto" }
    { parse = "json" }
    { parse = "logfmt" }
    { python = "tests.stages.own_functions:length" }
    { redact = ["email", "card", "ip"] }
    { redact = { what = ["email"], with = "sha256" } }
    { redact = { patterns = ['bob@\\S+'], keys = ["a"] } }
    { redact = { what = ["email"], fields = ["a", "b.c"] } }
    { remove = ["a", "b.c", "message"] }
    { rename = { a = "z", "b.c" = "message", message = "a" } }
    { sample = { rate = 0.5, key = "{a}{b.c}", keep = "a == 1" } }
    { set = { b.c = "{a}", new = "{b}{message}", message = "{a}" } }
    { split = "a" }
    { split = { field = "b.c", into = "one" } }
    { split = "message" }
    { throttle = { rate = 100, per = "1s", key = "{a}{b.c}" } }
    { time = "a" }
    { time = { field = "b.c", format = "%d/%b/%Y:%H:%M:%S %z" } }
    { truncate = { message = "16B", fields = "8B", fields_count = 4, depth = 2 } }
"""
"""Each stage, in forms that have something to do with the fields `a` and `b.c`."""


@cache
def stages() -> list[tuple[StageConfig, Stage]]:
    text = ",".join(STAGES.strip().splitlines())
    text = f'[routes.r]\nto = ["console"]\nstages = [{text}]'
    made = parse(text, {}, python="allow").config.routes["r"].stages
    context = StageContext(python="allow")
    return [(one, registry.stage(one.name, one.config, context)) for one in made]


def looks_everywhere(one: StageConfig) -> bool:
    return one.name == "redact" and getattr(one.config, "fields", None) is None


TEXTS = st.sampled_from(
    ["", "x", "a", "info", "1", "2026-01-31", "\0", "\udcff", "\ud800", "é\u2028", "4" * 20]
) | st.text(max_size=5)
KEPT = st.builds(f"{{}} {SECRET}".format, TEXTS) | st.just(SECRET)
"""Texts that have the secret in them."""


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


ANY_TEXT = TEXTS | KEPT
KEYS = st.sampled_from(["a", "b", "c", "message", "log", "msg", "level", "stream"]) | ANY_TEXT
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | ANY_TEXT
    | ANY_TEXT.map(_bytes)
    | st.builds(msgpack.ExtType, st.integers(0, 127), st.binary(max_size=9))
    | st.just(msgpack.ExtType(0, bytes(8)))
)
"""All that MessagePack has."""


def _nested(leaves: st.SearchStrategy[Any], keys: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
        max_leaves=8,
    )


BIN_KEYS = KEYS | KEYS.map(_bytes)
ODD_KEYS = BIN_KEYS | st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats()
RECORDS = st.dictionaries(ODD_KEYS, _nested(LEAVES, ODD_KEYS), max_size=5)
ODD_VALUES = (
    st.builds(pow, st.just(-2), st.sampled_from([13_000, 40_001]))
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | ANY_TEXT
)
ODD = st.dictionaries(ODD_KEYS, _nested(ODD_VALUES | ANY_TEXT.map(_bytes), ODD_KEYS), max_size=5)
JSON = st.dictionaries(
    KEYS.map(lambda key: key.encode("utf-8", "replace").decode()),
    _nested(st.none() | st.booleans() | st.integers() | st.floats(), KEYS)
    | ANY_TEXT.map(lambda text: text.encode("utf-8", "replace").decode()),
    max_size=5,
).map(dumps)


def of_a_forward_client(record: dict[Any, Any]) -> list[Batch]:
    rows = Rows("peer", Partials(2**20), 2**26)
    rows.add("tag", {}, objects(msgpack.packb([1, record], unicode_errors="surrogatepass")))
    return [batch(*it.lines, fields=it.fields, bare=it.bare) for it in rows.take()]


def of_a_hub(fields: dict[Any, Any], deep: int) -> list[Batch]:
    inner: Any = fields
    for _ in range(deep):
        inner = [inner]
    sent = batch(f"text {SECRET}")
    sent.parsed = [{**fields, "deep": inner}]
    body, plain = ColumnCodec().encode([sent])
    return Received().columns(body, plain, 1)[0]


def of_a_hubs_json(line: bytes) -> list[Batch]:
    event = b'{"@timestamp":"2026-01-31T23:59:59.000000000Z","event":{"sequence":1},'
    event += b'"container":{"id":"x"},"message":"m","fields":' + line + b"}"
    return [Received().json(event)]


def of_a_container(line: bytes) -> list[Batch]:
    stage = registry.stage("parse", "auto", StageContext()).bind(container())
    learnt = [result for _ in range(2) if (result := stage(batch(line, b"x"))) is not None]
    return [batch(line), *learnt]


def of_syslog(line: bytes) -> list[Batch]:
    data = b"[x y=" + dumps(line.decode("utf-8", "replace")) + b"] "
    (one,) = columns([b"<14>1 - h a p m " + data + line], "h", 0.0)
    return [batch(*one.lines, fields=one.fields)]


SOURCES = (
    st.builds(of_a_forward_client, RECORDS)
    | st.builds(of_a_hub, ODD, st.sampled_from([0, 1, 150, 3000]))
    | st.builds(of_a_hubs_json, JSON)
    | st.builds(of_a_container, JSON | KEPT.map(_bytes) | st.binary(max_size=20))
    | st.builds(of_syslog, JSON | KEPT.map(_bytes))
)


def test_all_stages_are_here() -> None:
    assert sorted({one.name for one, _ in stages()}) == list(registry.names("stages"))


@pytest.mark.fault(114)
@settings(max_examples=examples(60))
@given(SOURCES)
def test_every_stage_takes_every_value_that_a_source_can_make(batches: list[Batch]) -> None:
    for one in batches:
        for fields in one.fields or ():
            assert_json(fields)
        for config, stage in stages():
            bound = stage.bind(one.container)
            for result in (bound(one.owned()), bound.flush(math.inf)):
                for row in entries(result):
                    assert type(row.message) is bytes, config.name
                    assert_json(row.fields)
                if result is not None and looks_everywhere(config):
                    assert "example" not in shown(result)


def assert_json(fields: Any) -> None:
    """Whether it is what `Batch.fields` promises."""
    todo = [fields]
    while todo:
        one = todo.pop()
        assert type(one) in (str, int, float, bool, type(None), list, dict), repr(one)
        if type(one) is dict:
            assert all(type(key) is str for key in one), repr(one)
            todo += [*one, *one.values()]
        elif type(one) is list:
            todo += one
        elif type(one) is float:
            assert math.isfinite(one)
        elif type(one) is str:
            one.encode()


def shown(result: Batch) -> str:
    written = JsonEncoder().encode([result])
    for line in written.splitlines():
        json.loads(line)
    return written.decode() + repr(result.lines) + repr(result.fields)
