"""`throttle`, `sample` and `dedupe`, which let fewer entries through; `count` and `observe`.

python benchmarks/bench_thin.py
"""

from __future__ import annotations

import orjson
from calibration import batches, headline, json_lines, measure

from pipeline.model.component import Stage
from pipeline.stages import count, dedupe, observe, sample, throttle

LABELS = {"status": "{status}", "of": "{container.name}"}
STAGES: dict[str, Stage] = {
    "throttle, none": throttle.Stage(throttle.Throttle(rate=1e9)),
    "throttle, nearly all": throttle.Stage(throttle.Throttle(rate=1)),
    "throttle by a key, none": throttle.Stage(throttle.Throttle(rate=1e9, key="{status}")),
    "sample, one in ten": sample.Stage(10),
    "sample by a key": sample.Stage(sample.Sample(rate=0.1, key="{message}")),
    "dedupe, by the message": dedupe.Stage(dedupe.Dedupe()),
    "dedupe, by a field": dedupe.Stage(dedupe.Dedupe(fields=["status"])),
    "count, two labels": count.Stage(count.Count(name="a", labels=LABELS)),
    "count, a condition": count.Stage(count.Count(name="b", when="status >= 500")),
    "observe, two labels": observe.Stage(
        observe.Observe(name="c", value="duration_ms / 1000", labels=LABELS)
    ),
}


def main() -> None:
    headline("Thinning and counting")
    lines = json_lines()
    parsed = batches(lines, [orjson.loads(line) for line in lines])
    for name, stage in STAGES.items():
        measure(name, stage, parsed)


if __name__ == "__main__":
    main()
