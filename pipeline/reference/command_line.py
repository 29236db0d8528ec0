"""`docs/reference/command-line.md`: every command and option, from the parsers themselves."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from pipeline.cli import command_line

INTRODUCTION = """\
# Command line

Made from the source by `python -m pipeline.reference`; do not edit.

`dockline COMMAND [OPTIONS]`. Without `-c` the configuration is `$DOCKLINE_CONFIG`, else
`/etc/dockline/dockline.toml` where it exists. Without any, every container's logs go to standard
output. `dockline --version` says which version runs, and whether its loops are in C. Errors go to
standard error; 130 is the exit status after Ctrl-C.
"""


def render() -> str:
    """The whole page."""
    lines = [INTRODUCTION]
    for name, parser in sorted(commands().items()):
        lines += [f"## `dockline {name}`", "", _text(parser.description), ""]
        lines += ["| argument | is |", "|---|---|", *_arguments(parser), ""]
    return "\n".join(lines)


def commands() -> dict[str, argparse.ArgumentParser]:
    """The parser of each command, by the command's name."""
    for action in command_line()._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    raise AssertionError("the command line has no commands")


def _arguments(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        if isinstance(action, argparse._HelpAction):
            continue
        if isinstance(action, argparse._SubParsersAction):
            continue
        value = _value(action)
        names = (
            ", ".join(f"`{name}{value}`" for name in action.option_strings) or f"`{value.strip()}`"
        )
        yield f"| {names} | {_help(parser, action)} |"


def _value(action: argparse.Action) -> str:
    if action.nargs == 0:
        return ""
    if isinstance(action.metavar, str):
        return f" {action.metavar}"
    if action.choices:
        return " " + "\\|".join(map(str, action.choices))
    return f" {action.dest.upper()}"


def _help(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    text = parser._get_formatter()._expand_help(action) if action.help else ""
    return _text(text)


def _text(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")
