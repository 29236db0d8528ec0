"""Whether honest containers noticed anything: each line there once, in order, and soon."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path


@dataclass(frozen=True)
class Noticed:
    lines: int
    missing: int
    repeated: int
    disordered: int

    @property
    def good(self) -> bool:
        return self.lines > 0 and not (self.missing or self.repeated or self.disordered)


def noticed(file: Path) -> Noticed:
    """By what a sink has written of the honest containers, whose lines are `NAME NUMBER`."""
    numbers: dict[str, list[int]] = defaultdict(list)
    if file.exists():
        for line in file.read_text().splitlines():
            name, number = json.loads(line)["message"].split()
            numbers[name].append(int(number))
    missing = repeated = disordered = 0
    for came in numbers.values():
        missing += max(came) - len(set(came))
        repeated += len(came) - len(set(came))
        disordered += sum(later < earlier for earlier, later in pairwise(came))
    return Noticed(sum(map(len, numbers.values())), missing, repeated, disordered)


def last_time(file: Path) -> float:
    """When the newest line that is there was written, in seconds since the epoch; 0 for none."""
    with file.open("rb") as opened:
        opened.seek(max(0, file.stat().st_size - 4096))
        lines = opened.read().split(b"\n")[:-1]
    if not lines or not lines[-1].startswith(b"{"):
        return 0.0
    return datetime.fromisoformat(json.loads(lines[-1])["@timestamp"][:26] + "+00:00").timestamp()
