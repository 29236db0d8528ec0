"""The container image, built once for all tests that run it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.testing.private_engine import PrivateEngine
from tests.integration.base_image import import_base

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def image(engine: PrivateEngine) -> str:
    """The image that the Dockerfile makes, in `engine`, as `dockline`."""
    base = import_base(engine)
    build = ("build", "--network", "host", "--build-arg", f"BASE={base}", "--tag", "dockline")
    engine.docker(*build, str(ROOT), timeout=600)
    return "dockline"
