"""The commands, options and arguments of the command line, read from its argparse parser."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from pipeline.config.one_line.reader import schemes
from pipeline.encode.level import LEVELS

Kind = Literal["choices", "files", "routes", "sinks", "containers", "addresses", "text"]

KINDS: dict[str, Kind] = {
    "FILE": "files",
    "R": "routes",
    "S": "sinks",
    "C": "containers",
    "CONTAINER": "containers",
    "ADDRESS": "addresses",
}
"""The kind of a value, by its name in the help (the metavar). Any other is free text."""

SUGGESTED: dict[str, tuple[str, ...]] = {"LEVEL": LEVELS}
"""The words to complete of a value that may be others as well, by its name in the help."""


@dataclass(frozen=True)
class Value:
    """The value of an option, or an argument of a command."""

    kind: Kind
    name: str
    """Its name in the help, such as FILE."""
    choices: tuple[str, ...] = ()
    """Its words; of `addresses` their beginnings, such as `syslog+tls://`."""
    many: bool = False
    """Whether several may follow each other."""


@dataclass(frozen=True)
class Option:
    """One option, of the program or of a command."""

    names: tuple[str, ...]
    """Such as `-c` and `--config`."""
    help: str
    value: Value | None
    """None for a flag."""
    repeated: bool
    """Whether it may be given more than once."""


@dataclass(frozen=True)
class Command:
    """One command with its own options."""

    name: str
    help: str
    options: tuple[Option, ...]
    argument: Value | None
    """None if it takes no argument beside its options."""


@dataclass(frozen=True)
class Program:
    """The whole command line."""

    options: tuple[Option, ...]
    """Those before the command. One with a value may also stand after the command."""
    commands: tuple[Command, ...]


def program(parser: argparse.ArgumentParser) -> Program:
    """Reads a parser that has subparsers, one for each command.

    Raises `ValueError` if it has none.
    """
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
    if name in SUGGESTED:
        return Value("choices", name, SUGGESTED[name])
    many, kind = action.nargs in ("*", "+"), KINDS.get(name, "text")
    beginnings = sorted(f"{one}://" for one in schemes()) if kind == "addresses" else ()
    return Value(kind, name, tuple(beginnings), many)


def _help(action: argparse.Action) -> str:
    return (action.help or "").replace("%%", "%")
