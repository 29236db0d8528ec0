"""What can be written on the command line, as a shell has to know it: read from the parser."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["choices", "files", "routes", "sinks", "containers", "text"]

KINDS: dict[str, Kind] = {
    "FILE": "files",
    "R": "routes",
    "S": "sinks",
    "C": "containers",
    "CONTAINER": "containers",
}
"""What a value is, by what it is called in the help; any other is free text."""


@dataclass(frozen=True)
class Value:
    """What stands behind an option, or alone."""

    kind: Kind
    name: str
    """As the help calls it."""
    choices: tuple[str, ...] = ()
    many: bool = False
    """Whether others may follow it."""


@dataclass(frozen=True)
class Option:
    names: tuple[str, ...]
    help: str
    value: Value | None
    repeated: bool
    """Whether it may be given more than once."""


@dataclass(frozen=True)
class Command:
    name: str
    help: str
    options: tuple[Option, ...]
    argument: Value | None
    """What it is followed by, other than options."""


@dataclass(frozen=True)
class Program:
    options: tuple[Option, ...]
    """Before the command; those with a value may stand behind it, too."""
    commands: tuple[Command, ...]


def program(parser: argparse.ArgumentParser) -> Program:
    """Of the parser of the whole command line."""
    (subparsers,) = (one for one in parser._actions if isinstance(one, argparse._SubParsersAction))
    helps = {one.dest: one.help or "" for one in subparsers._choices_actions}
    commands = (
        Command(name, helps[name], tuple(_options(own)), _argument(own))
        for name, own in subparsers.choices.items()
    )
    return Program(tuple(_options(parser)), tuple(commands))


def _options(parser: argparse.ArgumentParser) -> Iterator[Option]:
    for action in parser._actions:
        if action.option_strings:
            value = None if action.nargs == 0 else _value(action)
            repeated = isinstance(action, argparse._AppendAction)
            yield Option(tuple(action.option_strings), _help(action), value, repeated)


def _argument(parser: argparse.ArgumentParser) -> Value | None:
    found = [one for one in parser._actions if not one.option_strings]
    return _value(found[0]) if found else None


def _value(action: argparse.Action) -> Value:
    name = str(action.metavar or action.dest)
    if action.choices is not None:
        return Value("choices", name, tuple(map(str, action.choices)))
    return Value(KINDS.get(name, "text"), name, many=action.nargs in ("*", "+"))


def _help(action: argparse.Action) -> str:
    return (action.help or "").replace("%%", "%")
