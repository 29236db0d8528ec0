"""Compares the metrics that a test expects with those that stages made."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from prometheus_client.samples import Sample

from pipeline.model.errors import DocklineError
from pipeline.support.mistyped import meant

_SERIES: Final = re.compile(r"\s*([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(?:\{(.*)\})?\s*", re.DOTALL)
_LABEL: Final = re.compile(r'\s*([a-zA-Z_]\w*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(?:,|\Z)', re.DOTALL)

MOST_NAMES: Final = 5
"""Series that are listed when none has a name like the missing one."""

Key = tuple[str, frozenset[tuple[str, str]]]


@dataclass(frozen=True)
class SeriesDifference:
    """A series that has another value than a test expects."""

    name: str
    expected: float
    got: float | None
    """None if there is no such series."""
    hint: str = ""


def compare(wanted: Mapping[str, float], samples: Iterable[Sample]) -> list[SeriesDifference]:
    """The series that differ. `wanted`: values by series, written as on `/metrics`.

    A series that is missing counts as 0. Raises `DocklineError` for a name that isn't a series.
    """
    found = {(sample.name, frozenset(sample.labels.items())): sample for sample in samples}
    names = [_written(sample) for sample in found.values()]
    different = []
    for name, expected in wanted.items():
        sample = found.get(_read(name))
        if not math.isclose(expected, sample.value if sample else 0.0, abs_tol=1e-9):
            hint = "" if sample else _nearest(name, names)
            different.append(SeriesDifference(name, expected, sample and sample.value, hint))
    return different


def _read(text: str) -> Key:
    found = _SERIES.fullmatch(text)
    labels: dict[str, str] = {}
    rest = (found[2] or "") if found else ""
    while found and rest.strip():
        label = _LABEL.match(rest)
        if label is None:
            found = None
        else:
            labels[label[1]] = re.sub(r"\\(.)", _unescaped, label[2], flags=re.DOTALL)
            rest = rest[label.end() :]
    if not found:
        example = 'http_requests_total{status="503"}'
        raise DocklineError(f"{text!r} is no series; write it as on /metrics: {example}")
    return found[1], frozenset(labels.items())


def _unescaped(found: re.Match[str]) -> str:
    return "\n" if found[1] == "n" else found[1]


def _written(sample: Sample) -> str:
    labels = ",".join(f'{name}="{_escaped(value)}"' for name, value in sample.labels.items())
    return f"{sample.name}{{{labels}}}" if labels else sample.name


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _nearest(name: str, names: list[str]) -> str:
    if not names:
        return "no stage has made any"
    found = meant(name, names)
    near = names[:MOST_NAMES] if found is None else [found]
    return f"there is {', '.join(near)}{' and others' if len(near) < len(names) else ''}"
