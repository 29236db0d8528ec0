"""What somebody who taps costs for each line that passes: without a search, and with one.

The budget of the search is lifted here: with it, the agent stops searching instead.

    python benchmarks/bench_tap.py
"""

from __future__ import annotations

import orjson
from calibration import batches, headline, json_lines, measure

from pipeline.model.batch import Batch
from pipeline.topology import tap_search
from pipeline.topology.tap import Choice, Tap
from pipeline.topology.tap_search import Search

SEARCHES: dict[str, dict[str, str] | None] = {
    "nobody taps": None,
    "a tapper": {},
    "match, in none": {"match": "timeout"},
    "match, with capitals": {"match": "Timeout"},
    "match, in all": {"match": "request served"},
    "match, not ASCII": {"match": "größe"},
    "regex": {"regex": "timeout|refused"},
    "regex, bounded by length": {"regex": "error.*timeout"},
    "where": {"where": "status >= 500"},
    "level": {"level": "error"},
    "match and where": {"match": "timeout", "where": "status >= 500"},
}


def main() -> None:
    tap_search.BUDGET = 1e9  # type: ignore[misc]
    headline("Tapping")
    lines = json_lines()
    for what, passing in (
        ("parsed", batches(lines, [orjson.loads(line) for line in lines])),
        ("not parsed", batches(lines)),
    ):
        for name, terms in SEARCHES.items():
            tap = Tap()
            if terms is not None:
                tap.open(Choice(search=Search(**terms) or None))

            def shown(batch: Batch, tap: Tap = tap) -> None:
                if tap.tappers:
                    tap.passed(batch, "out")
                    for one in tap.tappers:
                        one.read()

            measure(f"{what}: {name}", shown, passing)


if __name__ == "__main__":
    main()
