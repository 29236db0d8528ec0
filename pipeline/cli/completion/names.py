"""Shell commands that print the names to complete, without starting Python."""

from __future__ import annotations

from pipeline.cli.completion.commands import Program

CONTAINERS = "timeout 2 docker ps --format '{{.Names}}' 2>/dev/null"
"""Prints the names of running containers, one a line. It gives up after two seconds."""


def addresses(program: Program) -> tuple[str, ...]:
    """The beginnings of addresses, such as `syslog+tls://`, that any command takes."""
    values = [one.argument for one in program.commands if one.argument is not None]
    return next((one.choices for one in values if one.kind == "addresses"), ())


def names(kind: str, files: str) -> str:
    """The shell command that prints NAME of each table `[KIND.NAME]` in files, sorted, one a line.

    `kind` is `routes` or `sinks`, or a variable of the shell; `files` are words of the shell. Only
    names of letters, digits, `_` and `-` are printed, and none of inline tables.
    """
    name = r"\([A-Za-z0-9_-]\{1,\}\)"
    head = rf"^[[:space:]]*\[[[:space:]]*{kind}\."
    return (
        rf'sed -n -e "s/{head}{name}.*/\1/p" -e "s/{head}\"{name}\".*/\1/p" {files} '
        "2>/dev/null | sort -u"
    )
