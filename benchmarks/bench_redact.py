"""The stage `redact` on messages and parsed entries: with nothing in them, and with something.

python benchmarks/bench_redact.py
"""

from __future__ import annotations

from calibration import batches, headline, json_lines, measure

from pipeline.model.batch import Batch
from pipeline.model.component import Stage
from pipeline.stages import parse, redact
from pipeline.testing.builders import container

KINDS = list(redact.KINDS)
SOME = b'","to":"bob@example.com","card":"4111 1111 1111 1111","from":"10.0.0.1",'

STAGES: dict[str, Stage] = {
    "email and card": redact.Stage(["email", "card"]),
    "all kinds": redact.Stage(KINDS),
    "all kinds, as hashes": redact.Stage(redact.Options(what=KINDS, with_="sha256")),
    "a pattern": redact.Stage(redact.Options(patterns=[r"secret=\S+"])),
}


def as_records(lines: list[bytes]) -> list[Batch]:
    stage = parse.Stage("json").bind(container())
    parsed = [stage(batch) for batch in batches(lines)]
    return [batch for batch in parsed[1:] if batch is not None]


def main() -> None:
    headline("Redacting")
    lines = json_lines()
    hundredth = [
        line.replace(b'",', SOME, 1) if number % 100 == 0 else line
        for number, line in enumerate(lines)
    ]
    every = [line.replace(b'",', SOME, 1) for line in lines]
    texts = {"nothing": lines, "something in 1 of 100": hundredth, "something in each": every}
    for name, stage in STAGES.items():
        for what, some in texts.items():
            measure(f"{name}; {what}", stage, batches(some))
        measure(f"{name}; nothing, parsed", stage, as_records(lines))


if __name__ == "__main__":
    main()
