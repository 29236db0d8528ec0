"""One address of a sink, taken apart: `syslog+tls://HOST?format=rfc3164`.

Every part keeps its place in the text, so that messages can show it; what is secret is never shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pipeline.config.locate import KeyPlace, Path
from pipeline.config.problems import Problem, cut, quote
from pipeline.model.secrecy import STARS

VARIABLE: Final = "\ue001{}\ue001"
"""Stands for a secret, with the name of the option in it."""

Span = tuple[int, int]


@dataclass
class Address:
    """What one address says."""

    argument: str = field(repr=False)
    """As it was typed."""
    type: str = ""
    """The type of the sink; empty if there is none of that scheme."""
    complete: bool = False
    """Whether it was read to its end, so that its settings can be checked."""
    sink: dict[str, Any] = field(default_factory=dict, repr=False)
    """The sink's settings, as in its table."""
    route: dict[str, Any] = field(default_factory=dict)
    """What the query says of the route: `from`, `containers`, `stages`; empty if nothing."""
    spans: dict[Path, Span] = field(default_factory=dict)
    """Where each setting stands in the argument: `("sink", "tls", "ca")`, `("route", "from")`."""
    secrets: dict[Path, str] = field(default_factory=dict, repr=False)
    """Settings that must not be shown, with what stands for each: see `VARIABLE`."""
    slips: list[tuple[Span, str, str]] = field(default_factory=list)
    """What is wrong with the address, with its place, a message and a hint."""
    doubts: list[tuple[Span, str, str]] = field(default_factory=list)
    """What is valid and probably a mistake."""
    hidden: list[Span] = field(default_factory=list)
    """The parts of the argument that are not shown."""

    @property
    def shown(self) -> str:
        """The argument with stars for what is secret."""
        return _starred(self.argument, self.hidden)[0]

    @property
    def label(self) -> str:
        """What messages call the address."""
        return quote(self.shown)[1:-1]

    def place(self, path: Path) -> KeyPlace | None:
        """The place of a setting, for messages: see `spans`. None if the address has no such."""
        span = self.spans.get(path)
        if span is None:
            return None
        text, (start, end) = _starred(self.argument, self.hidden, span)
        value = self.argument[slice(*span)]
        return KeyPlace(0, "", value, file=self.label, shown=text, mark=(start, end))

    def problem(self, slip: tuple[Span, str, str]) -> Problem:
        """One of `slips` or `doubts` as a problem."""
        span, message, hint = slip
        text, (start, end) = _starred(self.argument, self.hidden, span)
        return Problem(message, "", None, hint, *cut(text, start, end), self.label)


def _starred(text: str, hidden: Sequence[Span], span: Span = (0, 0)) -> tuple[str, Span]:
    """The text with stars for the spans that are hidden, and where `span` is in it then."""
    shown, at, edges = "", 0, list(span)
    for start, end in sorted(hidden):
        if start < at or start == end:
            continue
        shown += text[at:start] + STARS
        at = end
        for index, edge in enumerate(span):
            if edge >= end:
                edges[index] += len(STARS) - (end - start)
            elif edge > start:  # inside: the whole of the stars
                edges[index] = len(shown) - (len(STARS) if index == 0 else 0)
    return shown + text[at:], (edges[0], max(edges))
