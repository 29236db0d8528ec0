"""The container image is built and run for real, on a base made without a registry."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.testing.private_engine import PrivateEngine
from tests.integration.base_image import import_base

ROOT = Path(__file__).parents[2]
USER = "10001:10001"


@pytest.fixture(scope="session")
def image(engine: PrivateEngine) -> str:
    """The image that the Dockerfile makes, in `engine`."""
    base = import_base(engine)
    build = ("build", "--network", "host", "--build-arg", f"BASE={base}", "--tag", "dockline")
    engine.docker(*build, str(ROOT), timeout=600)
    return "dockline"


def configured(engine: PrivateEngine, image: str) -> Any:
    return json.loads(engine.docker("image", "inspect", image))[0]["Config"]


def test_it_says_its_version_and_needs_no_root(engine: PrivateEngine, image: str) -> None:
    run = ("run", "--rm", "--network", "none", "--read-only", "--cap-drop", "ALL", image)
    assert engine.docker(*run, "--version").startswith("dockline 0.")
    assert configured(engine, image)["User"] == USER


def test_an_orchestrator_knows_how_to_stop_check_and_name_it(
    engine: PrivateEngine, image: str
) -> None:
    config = configured(engine, image)
    assert config["StopSignal"] == "SIGTERM"
    assert config["Entrypoint"] == ["dockline"]
    assert config["Cmd"] == ["run"]
    assert list(config["Volumes"]) == ["/var/lib/dockline"]
    assert config["Healthcheck"]["Test"][0] == "CMD"
    assert config["Labels"]["org.opencontainers.image.title"] == "dockline"


def test_it_holds_what_is_pinned_and_no_tool_that_built_it(
    engine: PrivateEngine, image: str
) -> None:
    program = "import importlib.metadata as m; print(*(d.name for d in m.distributions()))"
    run = ("run", "--rm", "--network", "none", "--entrypoint", "/opt/dockline/bin/python", image)
    held = set(engine.docker(*run, "-c", program).split())
    assert {"dockline", "aiodocker", "orjson"} <= held
    assert not held & {"pip", "hatchling", "pytest"}
