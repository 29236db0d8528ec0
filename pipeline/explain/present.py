"""A route of the running configuration as TOML, for somebody who wants to try another one.

What was written as `${…}` stays like that, without defaults, and a secret in plain text becomes
stars.
"""

from __future__ import annotations

from typing import Any, Final

from pipeline.config import ConfigFile
from pipeline.config.problems import dotted
from pipeline.config.substitute import Substituted, without_defaults
from pipeline.config.wording import toml
from pipeline.model.secrecy import starred

_STARS: Final = "# *** stands for a secret that the configuration has in plain text\n"


def stages(reading: ConfigFile, route: str) -> str:
    """`stages = [ … ]` of a route, as it stands in the file if it does; with LF at the end.

    Takes 8 ms for a file of 100 KiB: call it in a thread. Raises `KeyError` for an unknown route.
    """
    table = reading.tree["routes"][route]
    place = reading.places().get(("routes", route, "stages"))
    if place is not None and place.value.startswith("["):
        return _hidden(f"stages = {place.value}\n", reading)
    return _hidden(stages_of(as_written(table.get("stages", []))), reading)


def place(reading: ConfigFile, route: str) -> str:
    """Where the route stands, as `FILE:LINE` or as the address of a sink; empty for one of the
    defaults.

    Takes as long as `stages`.
    """
    found = reading.places().get(("routes", route))
    if found is None:
        return ""
    return f"{found.file}:{found.line}" if found.line else found.file


def head(reading: ConfigFile, route: str) -> str:
    """The header of a route and its settings other than `stages`, in TOML.

    Raises `KeyError` for an unknown route.
    """
    table = as_written(reading.tree["routes"][route])
    lines = [f"{key} = {toml(value)}\n" for key, value in table.items() if key != "stages"]
    return _hidden(f"[{dotted(('routes', route))}]\n{''.join(lines)}", reading)


def stages_of(tables: list[Any]) -> str:
    """`stages = [ … ]` with a line for each of these tables."""
    if not tables:
        return "stages = []\n"
    return "stages = [\n" + "".join(f"  {toml(table)},\n" for table in tables) + "]\n"


def as_written(value: Any) -> Any:
    """A value of `ConfigFile.tree` with `${…}` where it was substituted, and `$${` for `${`."""
    if isinstance(value, dict):
        return {key: as_written(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return list(map(as_written, value))
    if isinstance(value, Substituted):
        return str(value.written)
    return value.replace("${", "$${") if isinstance(value, str) else value


def _hidden(text: str, reading: ConfigFile) -> str:
    shown = starred(without_defaults(text), reading.secrets.texts)
    return shown if shown == without_defaults(text) else _STARS + shown
