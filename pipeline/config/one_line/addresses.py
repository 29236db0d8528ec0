"""The TOML that addresses of sinks stand for: `dockline run papertrail://… syslog+tls://…`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pipeline.config.defaults import with_defaults
from pipeline.config.files import COMMAND_LINE, Text
from pipeline.config.locate import KeyPlace, Path, locate
from pipeline.config.one_line.address import VARIABLE, Address
from pipeline.config.one_line.reader import read_address
from pipeline.config.problems import dotted
from pipeline.config.wording import toml

_IN_ORDER: Final = ("from", "containers", "stages")
_VARIABLE: Final = re.compile(VARIABLE.format("([^\ue001]*)"))


@dataclass(frozen=True)
class Sink:
    """A sink and its route, as an address says."""

    name: str
    address: Address = field(repr=False)

    @property
    def table(self) -> dict[str, Any]:
        """The sink's table, in the order of the address."""
        spans, settings = self.address.spans, self.address.sink
        ordered = sorted(settings, key=lambda key: spans["sink", key])
        return {"type": self.address.type, **{key: settings[key] for key in ordered}}

    def printed(self) -> dict[str, Any]:
        """The sink's table with variables in the place of secrets."""
        shown: dict[str, Any] = _copy(self.table)
        for path, text in self.address.secrets.items():
            where = shown
            for key in path[:-1]:
                where = where[str(key)]
            where[str(path[-1])] = _VARIABLE.sub(lambda one: f"${{{self.variable(one[1])}}}", text)
        return shown

    @property
    def variables(self) -> list[str]:
        """The variables in what is printed."""
        texts = self.address.secrets.values()
        return [self.variable(one[1]) for text in texts for one in _VARIABLE.finditer(text)]

    def variable(self, option: str) -> str:
        """The environment variable for a secret: `PAPERTRAIL_TOKEN`."""
        name = re.sub("[^A-Za-z0-9]+", "_", f"{self.name}_{option}").strip("_").upper()
        return name if name[:1].isalpha() else f"SINK_{name}"


class Addresses:
    """What some addresses of sinks mean together."""

    def __init__(self, arguments: Sequence[str]) -> None:
        """`arguments`: the addresses as they were typed. What is wrong with them is in `text`."""
        self._all = [read_address(one) for one in arguments]
        seen: Counter[str] = Counter()
        self.sinks: list[Sink] = []
        """The sinks, with the name of their type; a second one of a type is `syslog-2`."""
        for one in self._all:
            if one.complete:
                seen[one.type] += 1
                count = seen[one.type]
                self.sinks.append(Sink(one.type if count == 1 else f"{one.type}-{count}", one))

    def text(self) -> Text:
        """All of it as the text of a file, with the places in the arguments."""
        text = self._rendered(lambda sink: sink.table)
        return Text(
            COMMAND_LINE,
            text,
            places={**locate(text, COMMAND_LINE), **dict(self._places())},
            problems=[one.problem(slip) for one in self._all for slip in one.slips],
            warnings=[one.problem(slip) for one in self._all for slip in one.doubts],
        )

    def toml(self) -> str:
        """The text to be saved as a file. Variables stand for what is secret: see `variables`."""
        return self._rendered(Sink.printed)

    @property
    def variables(self) -> list[str]:
        """The environment variables that `toml` needs, each once."""
        return list(dict.fromkeys(name for sink in self.sinks for name in sink.variables))

    def _rendered(self, table: Callable[[Sink], dict[str, Any]]) -> str:
        blocks = [_block(("sinks", sink.name), table(sink)) for sink in self.sinks]
        blocks += [_block(("routes", name), route) for name, route in self._routes()]
        return "\n".join(blocks)

    def _routes(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """The routes; none if those of a configuration without routes are the same."""
        own = {sink.name: sink for sink in self.sinks if sink.address.route}
        if not own:
            return
        tables = {sink.name: sink.table for sink in self.sinks}
        for name, route in with_defaults({"sinks": tables}, {})["routes"].items():
            if to := [sink for sink in route["to"] if sink not in own]:
                yield name, {**route, "to": to}
        for name, sink in own.items():
            (default,) = with_defaults({"sinks": {name: {"type": sink.address.type}}}, {})[
                "routes"
            ].values()
            said = {"from": default["from"], **sink.address.route}
            yield name, {**{key: said[key] for key in _IN_ORDER if key in said}, "to": [name]}

    def _places(self) -> Iterator[tuple[Path, KeyPlace]]:
        for sink in self.sinks:
            for path in sink.address.spans:
                if (place := sink.address.place(path)) is not None:
                    yield (f"{path[0]}s", sink.name, *path[1:]), place


def _block(path: Path, table: dict[str, Any]) -> str:
    """A table with its header. Stages have a line each."""
    lines = [f"[{dotted(path)}]"]
    for key, value in table.items():
        if key == "stages":
            lines += ["stages = [", *(f"  {toml(stage)}," for stage in value), "]"]
        else:
            lines.append(f"{key} = {toml(value)}")
    return "\n".join([*lines, ""])


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(inner) for key, inner in value.items()}
    return value
