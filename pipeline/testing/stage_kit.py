"""`StageKit`: tests that every stage must pass. A stage's own test class inherits them.

    class TestRename(StageKit):
        def make(self) -> Stage:
            return Stage({"msg": "message"})

If a stage holds entries back (such as `join`), they are taken from it with `flush` at the end.
"""

from __future__ import annotations

import copy
import math
import random
from abc import ABC, abstractmethod
from itertools import pairwise
from typing import Any

from pipeline.model.batch import Batch
from pipeline.model.component import Stage
from pipeline.model.records import MISSING
from pipeline.testing.builders import batch, container, entries

LONG_AFTER = math.inf
"""A time of the event loop's clock at which nothing is held back any longer."""

LINES: tuple[bytes, ...] = (
    b"", b" ", b"plain text", b"\x00", b"\xff\xfe\xc3", b"\xed\xa0\x80", b"tab\there\r",
    b"two\nlines", b"\xef\xbb\xbf{}", b"{", b"}", b"{}", b"[]", b"null", b"1", b'"text"', b"1,2",
    b"{},{}", b"[1", b"2]", b'{"a":1', b'"b":2}', b'{"a":NaN}', b'{"a":1,"a":2}', b'{"":{"":[]}}',
    b'{"level":"error","status":503,"http":{"status":503,"tags":["a"]},"msg":"boom"}',
    b'{"level":null,"status":"503","http":[],"msg":{}}', b'{"message":"m","time":1,"stream":[]}',
    b'{"status":1' + b"0" * 1000 + b"}", b'{"status":-1e308,"level":true}',
    b'{"a":' * 2000 + b"1" + b"}" * 2000, b"[" * 100_000, b'{"\xff":"\xff"}', b'{"a":"\\ud800"}',
    b"{" + b",".join(b'"k%d":%d' % (n, n) for n in range(10_000)) + b"}",
    b'level=info msg="a \\"b\\" c" empty= flag', b'a="unclosed', b"= =", b"==", b'"=', b"a=b=c",
    b"%s %d {} {0} {level}", b"\\", b"\x1b[31mred\x1b[0m", b"x" * 100_000, "größe=1 ☃".encode(),
)  # fmt: skip
"""Lines that break parsers."""

FIELDS: tuple[dict[str, Any], ...] = (
    {}, {"level": "error", "status": 503, "msg": "boom"}, {"level": None, "status": "503"},
    {"status": True, "level": 3, "msg": {}}, {"http": {"status": 503, "tags": ["a"]}},
    {"http.status": 503, "http": "text"}, {"msg": 10**400, "status": -1.5e308, "level": []},
    {"": "", "msg": "\x00☃", "message": "taken", "container": {"name": "not this"}},
)  # fmt: skip
"""Parsed fields of every JSON type."""


class StageKit(ABC):
    """Inherit from it in the test of a stage, and define `make`."""

    @abstractmethod
    def make(self) -> Stage:
        """Returns a new stage, configured so that it does something to `LINES` or `FIELDS`."""

    def run(self, *batches: Batch) -> list[Batch]:
        """Runs a new stage over the batches. Returns everything that goes on, in order."""
        stage = self.make().bind(batches[0].container)
        results = [*map(stage, batches), stage.flush(LONG_AFTER)]
        return [result for result in results if result is not None]

    def test_it_survives_any_bytes(self) -> None:
        noise = random.Random(1)
        random_lines = [noise.randbytes(noise.randrange(200)) for _ in range(500)]
        self.check(batch(*LINES))
        self.check(batch(*random_lines))
        for line in LINES:
            self.check(batch(line))

    def test_it_survives_any_fields(self) -> None:
        for fields in FIELDS:
            self.check(batch("text", fields=[fields]))
        self.check(batch(*[b'{"level":"info"}'] * len(FIELDS), fields=FIELDS))

    def test_it_takes_entries_without_fields_and_without_streams(self) -> None:
        self.check(batch("one", "two"))
        self.check(batch("one", "two", fields=[{}, {}]))
        self.check(batch("one", "two", streams="none none", source="events"))
        self.check(batch("", "", fields=[{}, {"level": "error"}], bare=True))

    def test_it_takes_batches_with_gaps_one_after_another(self) -> None:
        whole = batch(*LINES, start=1000)
        gaps = whole.select([number % 3 for number in range(len(whole))])
        assert gaps is not None
        self.check(gaps, batch(*LINES, start=5000))

    def test_it_keeps_the_parts_of_an_entry_apart(self) -> None:
        twos = [number // 2 for number in range(len(LINES))]
        parts = [number % 2 + 1 for number in range(len(LINES))]
        fields = [{"level": "error", "msg": ["a", {"b": 1}]} for _ in LINES]
        for columns in (batch(*LINES), batch(*LINES, fields=fields)):
            self.check(columns.replace(sequences=twos, parts=parts))
            self.check(columns, columns.replace(sequences=[500 + n for n in twos], parts=parts))

    def test_only_a_stateful_stage_remembers_entries(self) -> None:
        for fields in ((), FIELDS):
            lines = LINES[: len(fields)] if fields else LINES
            columns = batch(*lines, fields=fields or None)
            together = [row for one in self.run(_owned(columns)) for row in entries(one)]
            picks = [[place == n for place in range(len(lines))] for n in range(len(lines))]
            ones = [one for pick in picks if (one := columns.select(pick)) is not None]
            runs = [self.run(_owned(one)) for one in ones]
            apart = [row for run in runs for one in run for row in entries(one)]
            assert self.make().stateful or repr(together) == repr(apart)

    def test_containers_do_not_share_a_stages_state(self) -> None:
        stage = self.make()
        shop, blog = container("shop", number=1), container("blog", number=2)
        for of in (shop, blog):
            bound = stage.bind(of)
            for result in (bound(batch(*LINES, of=of)), bound.flush(LONG_AFTER)):
                assert result is None or result.container is of

    def check(self, *batches: Batch) -> None:
        """Runs the stage over copies of the batches, and checks what went in and what came out."""
        before = [_columns(one) for one in batches]
        results = self.run(*[_owned(one) for one in batches])
        assert [_columns(one) for one in batches] == before, "a column that came in was changed"
        effect = self.make().effect()
        had = {name for one in batches for fields in one.fields or () for name in fields}
        allowed = {number for one in batches for number in one.sequences}
        last = (-1, 0)
        for result in results:
            rows = entries(result)  # fails when the columns differ in length
            assert rows, "nothing left is None, not an empty batch"
            identities = [(row.sequence, row.part) for row in rows]
            assert all(low < high for low, high in pairwise(identities))
            assert identities[0] > last, "an entry went out twice, or out of order"
            assert allowed.issuperset(result.sequences), "a sequence number was made up"
            assert all(type(row.message) is bytes and len(row.time) == 30 for row in rows)
            assert all(type(row.fields) is dict for row in rows)
            assert len({id(row.fields) for row in rows}) == len(rows), "entries share their fields"
            names = {name for row in rows for name in row.fields}
            assert effect.makes is None or names <= had | effect.makes, (
                "a field that its effect doesn't name"
            )
            assert names.isdisjoint(effect.loses), "a field that its effect says is gone"
            for row in rows:
                for name, word in effect.words.items():
                    if (value := row.fields.get(name, MISSING)) is not MISSING:
                        assert word(value) == value, "a value that its effect says it replaces"
            last = identities[-1]


def _owned(batch: Batch) -> Batch:
    """The same columns, with fields copied as a lane copies them."""
    if batch.fields is None:
        return batch
    return batch.replace(fields=[dict(fields) for fields in batch.fields])


def _columns(batch: Batch) -> tuple[Any, ...]:
    columns = (list(batch.lines), list(batch.times), bytes(batch.streams), list(batch.sequences))
    return *columns, copy.deepcopy(batch.parts), copy.deepcopy(batch.fields), batch.bare
