"""Writes the figures of a container as lines of Prometheus' text format, family by family."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.model.cadvisor import Family, Number, Read, number


def escape(text: str) -> str:
    """Escapes a label's value for the text format, where it stands between quotes."""
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def family_lines(
    families: Sequence[Family[Read]], reading: Read, labels: Mapping[str, str]
) -> list[str]:
    """The lines of a reading for each of the families; an empty text where nothing was measured.

    `labels`: those that all lines have, not escaped.
    """
    base = ",".join([f'{name}="{escape(value)}"' for name, value in labels.items()])
    return [_lines(family, reading, base) for family in families]


def _lines(family: Family[Read], reading: Read, base: str) -> str:
    name = family.name
    if not family.labels:
        value = number(family.read(reading))
        return "" if value is None else f"{name}{{{base}}} {_figure(value, family.nanoseconds)}\n"
    text = ""
    for values, value in family.points(reading):
        own = ""
        for label, label_value in zip(family.labels, values, strict=True):
            own += f',{label}="{escape(label_value)}"'
        text += f"{name}{{{base}{own}}} {_figure(value, family.nanoseconds)}\n"
    return text


def _figure(value: Number, nanoseconds: bool) -> str:
    """The number with all of its digits. A float of nanoseconds would lose some after 104 days."""
    if nanoseconds and isinstance(value, int) and value >= 0:
        return f"{value // 10**9}.{value % 10**9:09d}"
    return str(value / 1e9 if nanoseconds else value)


def header(name: str, kind: str, text: str, openmetrics: bool) -> str:
    """The two lines before those of a family."""
    if openmetrics:
        name, kind = _openmetrics_name(name, kind)
    return f"# HELP {name} {text}\n# TYPE {name} {kind}\n"


def _openmetrics_name(name: str, kind: str) -> tuple[str, str]:
    """Name and type of a family in OpenMetrics, where a counter's samples must end in `_total` and
    its family is named without that. cAdvisor's one counter without `_total` keeps its name and
    becomes `unknown`."""
    if kind != "counter":
        return name, kind
    return (name.removesuffix("_total"), kind) if name.endswith("_total") else (name, "unknown")
