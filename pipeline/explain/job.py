"""What the process of a trial is asked: one JSON object on its standard input."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Struct

from pipeline.config.settings import LabelsConfig
from pipeline.explain.dry_run import Line
from pipeline.model.container import Container
from pipeline.model.dumps import dumps


class JobLine(Struct, frozen=True):
    """One line."""

    text: str
    stream: Literal["stdout", "stderr"] = "stdout"
    time: str = ""
    """As in `Batch.times`; empty for a time of its own."""

    def line(self) -> Line:
        """The line as a container would write it."""
        return Line(self.text.encode("utf-8", "replace"), self.stream, self.time.encode())


class JobContainer(Struct, frozen=True):
    """The facts of the container that lines are run for."""

    id: str
    name: str
    image: str
    labels: dict[str, str]
    host: str
    module: str

    @classmethod
    def of(cls, container: Container) -> JobContainer:
        """Takes the facts from a container."""
        return cls(
            container.id,
            container.name,
            container.image,
            dict(container.labels),
            container.host,
            container.module,
        )

    def container(self) -> Container:
        """A container with these facts."""
        return Container(
            self.id, self.name, self.image, self.labels, host=self.host, module=self.module
        )


class JobRoute(Struct, frozen=True):
    """A route of the running configuration without its stages."""

    sources: list[str]
    labels: bool
    to: list[str]


class Surroundings(Struct, frozen=True):
    """What stages and labels depend on, of the running configuration."""

    honour: list[str]
    """`labels.honour`; empty for off."""
    containers: str | None
    """`labels.containers`."""
    sources: list[str]
    """Names of the sources beside Docker."""
    routes: dict[str, JobRoute]
    files: list[str]
    """The files that stages read. No others may be read."""

    def labels(self) -> LabelsConfig:
        """The settings of labels."""
        return msgspec.convert(
            {"honour": self.honour or "off", "containers": self.containers},
            LabelsConfig,
            dec_hook=lambda type_, value: type_(value),
        )


class Way(Struct, frozen=True):
    """A route, or a chain of routes, that lines go through."""

    name: str
    stages: str
    """`stages = […]` in TOML, with everything substituted."""
    to: list[dict[str, str]]
    """What it leads to, as in the answer."""


class Trial(Struct, frozen=True):
    """Other stages for a route, as somebody wrote them."""

    route: str
    stages: str
    """`stages = […]` in TOML, of which nothing is known."""
    head: str
    """The other settings of the route in TOML, below its header."""
    note: str = ""
    """What to say about the routes that lines go through before; empty for nothing."""


class Job(Struct, frozen=True):
    """One explanation of lines, or one trial if there is a `trial`."""

    container: JobContainer
    surroundings: Surroundings
    lines: list[JobLine]
    ways: list[Way] = []
    """The ways to explain. Of a trial: the routes that lines go through before, in order."""
    hidden: dict[str, str] = {}
    """Values that were substituted in the ways and must not be in the answer, as in
    `ConfigFile.hidden`."""
    trial: Trial | None = None

    def encode(self) -> bytes:
        """The JSON. Lone surrogates become U+FFFD."""
        return dumps(msgspec.to_builtins(self, enc_hook=str))  # texts of a type of their own

    @classmethod
    def decode(cls, text: bytes) -> Job:
        """Reads what `encode` wrote."""
        return msgspec.json.decode(text, type=cls)
