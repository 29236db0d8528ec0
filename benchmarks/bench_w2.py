"""The workload W2: parse JSON, keep half of the entries, write them as JSON.

    python benchmarks/bench_w2.py

`{ parse = "json" }`, `{ keep = "status == 200 and duration_ms >= 250" }`, and the JSON encoder, on
lines of 142 bytes as they come from the Engine; each step alone as well.
"""

from __future__ import annotations

from calibration import batches, headline, json_lines, measure

from pipeline.encode.json import JsonEncoder
from pipeline.model.batch import Batch
from pipeline.stages import keep, parse


def main() -> None:
    headline("W2")
    whole = batches(json_lines())
    parser = parse.Stage("json").bind(whole[0].container)
    filter_ = keep.Stage("status == 200 and duration_ms >= 250")
    encoder = JsonEncoder()
    parser(whole[0])  # it learns the names
    parsed = [result for batch in whole if (result := parser(batch))]
    kept = [result for batch in parsed if (result := filter_(batch))]
    share = sum(map(len, kept)) / sum(map(len, whole))

    def run(batch: Batch) -> bytes:
        result = parser(batch)
        result = filter_(result) if result else None
        return encoder.encode([result]) if result else b""

    measure("parse", parser, whole)
    measure("keep", filter_, parsed)
    measure(f"encode ({share:.0%} of the entries)", lambda batch: encoder.encode([batch]), kept)
    measure("all three", run, whole)


if __name__ == "__main__":
    main()
