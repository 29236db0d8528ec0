"""Results of the `[[tests]]` as text for people."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from msgspec import structs

from pipeline.cli._terminal import Colour
from pipeline.cli.test.cases import Lost, Result, lines
from pipeline.cli.test.compare import Difference, Pair, suggestion
from pipeline.cli.test.series import SeriesDifference
from pipeline.config.settings import CaseLine
from pipeline.explain.values import shown, shown_apart
from pipeline.model.records import MISSING
from pipeline.support.plural import plural

Text = list[tuple[Colour | None, str]]
"""Lines of text, each with its colour, or None."""

MOST_LOST = 10
"""Lost lines that are listed for one test."""


def concealed(result: Result, conceal: Callable[[str], str]) -> Result:
    """The result without secrets, to be shown.

    `conceal` replaces secrets in a text (`Reading.conceal`). It sees each text as a whole, before
    it is cut or escaped.
    """

    def hidden(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {conceal(key): hidden(inner) for key, inner in value.items()}
        if isinstance(value, Sequence) and not isinstance(value, str):
            return [hidden(inner) for inner in value]
        if isinstance(value, CaseLine):
            return structs.replace(value, line=conceal(value.line), fields=hidden(value.fields))
        return conceal(value) if isinstance(value, str) else value

    def pair(one: Pair) -> Pair:
        found = [
            Difference(
                conceal(each.field), hidden(each.expected), hidden(each.got), conceal(each.hint)
            )
            for each in one.differences
        ]
        return replace(one, differences=tuple(found))

    case = result.case
    return replace(
        result,
        case=structs.replace(
            case,
            name=conceal(case.name),
            input=hidden(case.input),
            expect=hidden(case.expect),
        ),
        trouble=conceal(result.trouble),
        entries=[replace(entry, json=hidden(entry.json)) for entry in result.entries],
        pairs=[pair(one) for one in result.pairs],
        unwanted=[(place, conceal(name)) for place, name in result.unwanted],
        series=[
            replace(one, name=conceal(one.name), hint=conceal(one.hint)) for one in result.series
        ],
    )


def title(result: Result) -> str:
    """The test's place in the configuration, its route and its name, on one line."""
    name = f": {result.case.name}" if result.case.name else ""
    return _printable(f"{result.path} {result.case.route}{name}")


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def explained(result: Result) -> Text:
    """What is wrong with a test that failed. `result` is what `concealed` returned."""
    if result.trouble:
        return [("red", f"  {result.trouble}")]
    text: Text = []
    for pair in result.pairs:
        if not pair.matches:
            text += _pair(result, pair)
    for place, name in result.unwanted:
        text.append((None, f"  {_place(result, place)}"))
        text.append(("red", f"    {name}: expected to be absent"))
    for one in result.series:
        text += _series(one)
    if not result.as_expected:
        text += _lost(result.lost)
    return text


def _series(one: SeriesDifference) -> Text:
    got = "no such series" if one.got is None else f"{one.got:.15g}"
    hint = f"; {one.hint}" if one.hint else ""
    return [
        (None, f"  {_printable(one.name)}"),
        ("green", f"    expected {one.expected:.15g}"),
        ("red", f"    got      {got}{hint}"),
    ]


def _pair(result: Result, pair: Pair) -> Text:
    if pair.got is None and pair.expected is not None:
        expected = result.case.expect[pair.expected]
        return [
            (None, f"  expected entry {pair.expected + 1} did not come out"),
            ("green", f"    - {shown(expected)}"),
        ]
    got = pair.got or 0
    if pair.expected is None:
        return [
            (None, f"  {_place(result, got)}, was not expected"),
            ("red", f"    + {shown(suggested(result, got))}"),
        ]
    text: Text = [(None, f"  {_place(result, got)}")]
    for one in pair.differences:
        text.append((None, f"    {one.field}"))
        wanted, other = shown_apart(one.expected, one.got)
        hint = f"; {one.hint}" if one.hint else ""
        text.append(("green", f"      expected {wanted}"))
        text.append(("red", f"      got      {other}{hint}"))
    if any(one.got is MISSING for one in pair.differences):
        text.append(("dim", f"    the entry: {shown(suggested(result, got))}"))
    return text


def suggested(result: Result, got: int) -> dict[str, object]:
    """The fields that the test should expect of the entry `got` (an index) that came out."""
    entry = result.entries[got]
    written = lines(result.case.input)[entry.number - 1].text.decode("utf-8", "replace")
    return suggestion(entry.json, written)


def _place(result: Result, got: int) -> str:
    return f"entry {got + 1}, from line {result.entries[got].number}"


def _lost(lost: Sequence[Lost]) -> Iterator[tuple[Colour | None, str]]:
    for one in lost[:MOST_LOST]:
        fate = f"joined to line {one.joined}" if one.joined else "dropped"
        yield "dim", f"  line {one.number} was {fate} by the stage {one.stage}"
    if len(lost) > MOST_LOST:
        more = len(lost) - MOST_LOST
        lines = plural(more, "more line was", "more lines were")
        yield "dim", f"  and {more} {lines} dropped or joined"
