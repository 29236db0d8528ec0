"""Components made up for the tests, found in the way all components are found."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import pipeline.sinks
import pipeline.stages

PROBE = '''
"""A sink that goes nowhere."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from pipeline.model.component import Payload, Secret, Sink, SinkConfig
from pipeline.model.errors import ConfigError, Unavailable


class Config(SinkConfig, frozen=True, kw_only=True):
    """Its table."""

    address: Annotated[str, Meta(examples=["HOST:1"])] = "here:1"
    """Where to."""
    token: Secret | None = None
    """A secret."""


class Probe(Sink[bytes]):
    def __init__(self, config, context):
        if ":" not in config.address:
            raise ConfigError(f'"{config.address}" is no address', "address", column=0)
        self.config = config

    async def open(self):
        if "down" in self.config.address:
            raise Unavailable(f"{self.config.address}: connection refused; is it running?")

    def encode(self, batches):
        return Payload(b"", 0, 0)

    async def send(self, payload): ...

    async def close(self): ...
'''

GAUGE = PROBE.replace("(Sink[bytes]):\n", '(Sink[bytes]):\n    takes = frozenset(("stats",))\n\n')

SHOUT = '''
"""Says it louder."""

from __future__ import annotations

from pipeline.model.component import Stage
from pipeline.model.errors import ConfigError

Config = str | list[str]


class Shout(Stage):
    def __init__(self, config):
        if "?" in config:
            raise ConfigError("a question is no shout", column=config.index("?"))

    def __call__(self, batch):
        return batch
'''


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The sinks `probe` and `gauge` (which takes stats only), and the stage `shout`."""
    made = {"pipeline.sinks.probe": PROBE, "pipeline.sinks.gauge": GAUGE}
    made["pipeline.stages.shout"] = SHOUT
    for name, source in made.items():
        package, module = name.split(".")[1:]
        folder = tmp_path / package
        folder.mkdir(exist_ok=True)
        (folder / f"{module}.py").write_text(source)
    for package in (pipeline.sinks, pipeline.stages):
        folder = tmp_path / package.__name__.rpartition(".")[2]
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])
    yield
    for name in made:
        sys.modules.pop(name, None)
