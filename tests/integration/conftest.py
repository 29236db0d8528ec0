"""The container image, built once for all tests that run it, and an Engine to deploy it on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.testing.docker_client import DockerClient
from pipeline.testing.private_engine import PrivateEngine
from tests.integration.base_image import BASE, import_base

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def image(engine: PrivateEngine) -> str:
    """The image that the Dockerfile makes, in `engine`, as `dockline`."""
    base = import_base(engine)
    build = ("build", "--network", "host", "--build-arg", f"BASE={base}", "--tag", "dockline")
    engine.docker(*build, str(ROOT), timeout=600)
    return "dockline"


@pytest.fixture(scope="module")
def host(
    engine: PrivateEngine, image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DockerClient]:
    """An Engine with networks of its own, the image and its base, and the files' variables."""
    archive = str(tmp_path_factory.mktemp("images") / "images.tar")
    engine.docker("save", "--output", archive, image, BASE, timeout=600)
    with PrivateEngine(isolated=True) as private:
        private.docker("load", "--input", archive, timeout=600)
        socket = private.url.removeprefix("unix://")
        variables = {"DOCKER_GID": str(Path(socket).stat().st_gid), "DOCKER_SOCKET": socket}
        yield DockerClient(private.url, private.environment | variables)
