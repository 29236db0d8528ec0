"""Expressions over parsed entries, beside what one would write by hand.

    python benchmarks/bench_expression.py

The comprehension written by hand would raise for the first text among the numbers; ours compares
`"503"` as the number that it spells, and pays for it with one look at the type.
"""

from __future__ import annotations

import orjson
from calibration import batches, headline, json_lines, measure

from pipeline.expression import compile_predicate, compile_template
from pipeline.model.batch import Batch

W2 = "status == 200 and duration_ms >= 250"

EXPRESSIONS = (
    W2,
    'level in ("error", "fatal") or status >= 500',
    'level == "error"',
    'at_least(level, "error")',
    'level != "error"',
    "http.status == 503",
    'container.name == "api-1" and status == 200',
    '"timeout" in message',
    'message.startswith("GET /health")',
    'lower(level) == "error"',
    r'matches(path, r"^/items/\d+5$")',
    "status // 100 == 5",
)


def by_hand(batch: Batch) -> list[bool]:
    fields = batch.fields or []
    return [entry.get("status") == 200 and entry.get("duration_ms", 0) >= 250 for entry in fields]


def main() -> None:
    headline("Expressions")
    lines = json_lines()
    parsed = batches(lines, [orjson.loads(line) for line in lines])
    assert [*map(by_hand, parsed)] == [*map(compile_predicate(W2), parsed)]
    hand = measure(f"by hand: {W2}", by_hand, parsed)
    for text in EXPRESSIONS:
        ours = measure(text, compile_predicate(text), parsed)
        if text == W2:
            print(f"  {'':52} {ours / hand:7.2f} times by hand")
    template = "{container.name}-{stream}: {level}"
    measure(template, compile_template(template), parsed)


if __name__ == "__main__":
    main()
