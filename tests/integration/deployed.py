"""For tests of files that deploy the agent beside other programs: images of these, and URLs."""

from __future__ import annotations

import shutil

import pytest

from pipeline.model.errors import EngineError
from pipeline.testing.docker_client import DockerClient
from tests.integration.base_image import BASE

FETCH = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1]).read().decode())"


def program(name: str) -> str:
    """Where Debian has it."""
    found = shutil.which(name, path="/usr/bin:/usr/sbin")
    if not found:
        pytest.skip(f"there is no `{name}` command")
    return found


def make_image(client: DockerClient, tag: str, path: str) -> None:
    """An image that runs the program there, under the name that a file asks for."""
    inside = f"/bin/{path.rpartition('/')[2]}"
    container = client.docker("create", "--network", "none", BASE, "true")
    client.docker("cp", "--follow-link", path, f"{container}:{inside}")
    client.docker("commit", "--change", f'ENTRYPOINT ["{inside}"]', container, tag)
    client.docker("rm", container)


def fetch(client: DockerClient, container: str, url: str) -> str:
    """What a URL answers to the agent's container; empty while it does not."""
    python = ("exec", container, "/opt/dockline/bin/python", "-c", FETCH)
    try:
        return client.docker(*python, url)
    except EngineError:
        return ""
