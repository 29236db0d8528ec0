"""The stages `keep` and `drop`, predicate and selection together, on parsed entries.

python benchmarks/bench_keep.py
"""

from __future__ import annotations

import orjson
from calibration import batches, headline, json_lines, measure

from pipeline.model.component import Stage
from pipeline.stages import drop, keep

STAGES: dict[str, Stage] = {
    "keep, a half": keep.Stage("status == 200 and duration_ms >= 250"),
    "keep, all": keep.Stage("status >= 200"),
    "keep, none": keep.Stage("status == 999"),
    "drop, a half": drop.Stage("status == 200 and duration_ms >= 250"),
}


def main() -> None:
    headline("Selecting")
    lines = json_lines()
    parsed = batches(lines, [orjson.loads(line) for line in lines])
    for name, stage in STAGES.items():
        measure(name, stage, parsed)


if __name__ == "__main__":
    main()
