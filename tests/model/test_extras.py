"""A library that is not installed is asked for by the name of what installs it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from aiobotocore.httpsession import AIOHTTPSession
from aiohttp import ClientResponse
from aiokafka.conn import AIOKafkaConnection
from nats.aio.client import Client
from nats.protocol import parser

from pipeline.model.component import SinkContext
from pipeline.model.errors import ConfigError, MissingPackage
from pipeline.model.extras import SUPPORTED, needed, overridden
from pipeline.sinks import kafka
from pipeline.sinks.kafka import Kafka
from pipeline.transport.nats.connection import NatsConnection
from pipeline.transport.s3.bucket import Bucket, Settings


def test_what_is_installed_is_given() -> None:
    assert needed("json", "anything").loads("[1]") == [1]


def test_what_is_not_is_named_with_the_command_that_installs_it() -> None:
    with pytest.raises(ConfigError) as raised:
        needed("nobody_has_this.inside", "kafka")
    assert str(raised.value) == (
        "kafka needs the Python package nobody_has_this, which is not installed: "
        "pip install 'dockline[kafka]' (the image has it)"
    )


def test_a_part_of_a_component_may_be_what_needs_it() -> None:
    with pytest.raises(ConfigError, match='compression = "zstd" needs the Python package'):
        needed("nobody_has_this", "http", 'compression = "zstd"')


class Library:
    def _hook(self, data: bytes) -> None: ...


@pytest.mark.parametrize(
    "expected", [{"_hook": ("self", "data", "more")}, {"_gone": ("self",)}, {"_gone": None}]
)
def test_a_library_without_what_is_overridden_is_named_with_versions(expected: Any) -> None:
    overridden("aiokafka", "kafka", Library, _hook=("self", "data"))
    with pytest.raises(MissingPackage) as raised:
        overridden("aiokafka", "kafka", Library, **expected)
    assert str(raised.value) == (
        f"aiokafka {version('aiokafka')} is not a version that kafka works with "
        f"(Library.{next(iter(expected))} is not as expected); "
        "supported are >=0.13,<0.15: pip install 'dockline[kafka]'"
    )


def made_kafka() -> None:
    Kafka(kafka.Config(type="kafka", bootstrap_servers=["x"]), SinkContext("kafka"))


def made_s3() -> None:
    Bucket(Settings(bucket="logs"), "s3")


def made_nats() -> None:
    NatsConnection(["nats://x"])


@pytest.mark.parametrize(
    ("make", "owner", "name"),
    [
        (made_kafka, AIOKafkaConnection, "_read"),
        (made_s3, AIOHTTPSession, "_get_session"),
        (made_s3, ClientResponse, "_wait_released"),
        (made_nats, Client, "_build_message"),
        (made_nats, parser, "HMSG_RE"),
    ],
)
def test_a_component_whose_library_has_changed_inside_is_not_made(
    monkeypatch: pytest.MonkeyPatch, make: Callable[[], None], owner: Any, name: str
) -> None:
    make()
    monkeypatch.delattr(owner, name)
    with pytest.raises(MissingPackage, match=f"{name} is not as expected"):
        make()


def test_the_versions_that_are_supported_are_those_that_are_installed() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    bounded = {
        found[1]: found[2]
        for one in chain(project["dependencies"], *extras)
        if (found := re.fullmatch(r"([\w-]+)(?:\[\w+\])?(>=.*,<.*)", one))
    }
    assert bounded == SUPPORTED


def test_every_extra_that_is_asked_for_exists_and_every_other_is_not_there() -> None:
    root = Path(__file__).parents[2]
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    sources = "".join(path.read_text() for path in root.glob("pipeline/**/*.py"))
    asked = set(re.findall(r'needed\(\s*"[\w.]+",\s*"(\w+)"', sources))
    assert asked == project["optional-dependencies"].keys() - {"all"}
