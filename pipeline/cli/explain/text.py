"""Prints what routes do with a container, for people and for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pipeline.cli._terminal import Colour, colours
from pipeline.explain.facts import Facts
from pipeline.explain.values import shown

Paint = Callable[[Colour, str], str]


def print_json(facts: Facts) -> None:
    """Prints what `facts.explained` returned, as JSON."""
    print(json.dumps(facts, indent=2, ensure_ascii=True))


def print_text(facts: Facts) -> None:
    """Prints what `facts.explained` returned, as text, in colour on a terminal."""
    paint = colours(sys.stdout)
    for line in (*_container(facts, paint), *_routes(facts, paint), *_lines(facts, paint)):
        print(line)


def _container(facts: Facts, paint: Paint) -> Iterator[str]:
    container = facts["container"]
    head = paint("bold", _text(container["name"]))
    if container["id"].strip("0"):
        head += f" {container['id'][:12]}"
    yield f"{head} {_text(container['image'])}".rstrip()
    for name, value in container["labels"].items():
        yield f"  label {_text(name)} = {shown(value)}"
    if facts["followed"]:
        yield f"  {paint('green', 'followed')}"
    for reason in facts["reasons"]:
        yield f"  {paint('red', 'not followed')}: {_text(reason)}"
    for note in facts["notes"]:
        yield f"  {paint('yellow', 'note')}: {_text(note)}"


def _routes(facts: Facts, paint: Paint) -> Iterator[str]:
    for route in facts["routes"]:
        name = paint("bold", route["name"])
        sinks = ", ".join(sink["name"] for sink in route["to"])
        beginning = [f"route:{name}" for name in route["fed_by"]] or route["from"]
        way = " → ".join([", ".join(beginning), *route["stages"], sinks])
        if route["takes"]:
            yield f"{paint('green', 'taken')} by route {name}: {way}"
        elif facts["followed"]:
            yield f"{paint('red', 'not taken')} by route {name}"
            for reason in route["reasons"]:
                yield f"  {_text(reason)}"


def _lines(facts: Facts, paint: Paint) -> Iterator[str]:
    ways = [way for line in facts["lines"] for way in line["routes"]]
    names = [stage["stage"] for way in ways for stage in way["stages"]]
    width = max(map(len, names), default=0)
    for number, line in enumerate(facts["lines"], 1):
        yield ""
        yield f"{paint('bold', f'line {number}')} {_text(line['line'], most=200)}"
        if not line["routes"]:
            yield "  no route takes it" if facts["followed"] else "  not read"
        for way in line["routes"]:
            yield f"  route {paint('bold', way['route'])}"
            for stage in way["stages"]:
                yield from _stage(stage, width, paint)
            if way["entry"] is not None:
                sinks = [f"{sink['name']} ({sink['type']})" for sink in way["to"]]
                yield f"    → {paint('green', ', '.join(sinks))}"
                for sink in way["to"]:
                    for text in sink.get("sends", "").splitlines():
                        yield f"      {sink['name']} is sent {_text(text)}"


def _stage(stage: Facts, width: int, paint: Paint) -> Iterator[str]:
    said = list(_said(stage, paint))
    yield f"    {stage['stage']:{width}}  {said[0]}"
    for more in said[1:]:
        yield f"    {'':{width}}  {more}"


def _said(stage: Facts, paint: Paint) -> Sequence[str]:
    if stage["outcome"] == "dropped":
        return [paint("red", "dropped")]
    if stage["outcome"] == "joined":
        return [paint("yellow", f"joined to line {stage['line']}")]
    if stage["outcome"] == "split":
        changes = [_change(one, paint) for one in stage["changes"]]
        entries = "one entry" if stage["parts"] == 1 else f"{stage['parts']} entries; one of them:"
        return [paint("yellow", f"split into {entries}"), *changes]
    return [_change(one, paint) for one in stage["changes"]] or [paint("dim", "unchanged")]


def _change(change: dict[str, Any], paint: Paint) -> str:
    field = _text(change["field"])
    if "before" not in change:
        return paint("green", f"+ {field} = {shown(change['after'])}")
    if "after" not in change:
        return paint("red", f"- {field} = {shown(change['before'])}")
    return paint("yellow", f"~ {field} = {shown(change['after'])}, was {shown(change['before'])}")


def _text(text: str, most: int = 2000) -> str:
    """The text on one line, cut to `most` characters, without control characters."""
    clean = "".join(letter if letter.isprintable() else "\ufffd" for letter in text[: most + 1])
    return clean if len(clean) <= most else clean[: most - 1] + "…"
