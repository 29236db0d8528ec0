"""How a shell finds names to complete, without starting an interpreter."""

from __future__ import annotations

CONTAINERS = "timeout 2 docker ps --format '{{.Names}}' 2>/dev/null"
"""Prints the names of the containers that run."""


def names(kind: str, file: str) -> str:
    """The command that prints the tables `[KIND.NAME]` of a file; both may be variables.

    Names with a space or another odd character in them, and those of inline tables, are left out.
    """
    name = r"\([A-Za-z0-9_-]\{1,\}\)"
    head = rf"^[[:space:]]*\[[[:space:]]*{kind}\."
    return (
        rf'sed -n -e "s/{head}{name}.*/\1/p" -e "s/{head}\"{name}\".*/\1/p" "{file}" '
        "2>/dev/null | sort -u"
    )
