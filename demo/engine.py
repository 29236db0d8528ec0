"""An Engine for the demo: the user's own where one answers, else a private one."""

from __future__ import annotations

import os
from contextlib import ExitStack

from pipeline.model.errors import EngineError
from pipeline.sources.docker.engine.endpoint import resolve
from pipeline.testing.docker_client import DockerClient
from pipeline.testing.private_engine import PrivateEngine, why_not

_TLS = ("DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH")


def find(stack: ExitStack) -> tuple[DockerClient, str]:
    """A client, and a sentence about what it reaches. A private Engine ends with `stack`.

    Raises `EngineError` when there is no Engine and none can be started.
    """
    if os.environ.get("DEMO_ENGINE") == "private":
        asked = "DEMO_ENGINE asks for it"
    else:
        endpoint = resolve(None, None, os.environ)
        client = DockerClient(
            endpoint.url, {name: os.environ[name] for name in _TLS if name in os.environ}
        )
        try:
            version = client.docker("version", "--format", "{{.Server.Version}}", timeout=10)
            return client, f"yours, {version}, at {endpoint.url}"
        except EngineError:
            asked = f"none answers at {endpoint.url}"
    if reason := why_not():
        raise EngineError(f"no Docker Engine to show anything with: {asked}, and {reason}")
    private = stack.enter_context(PrivateEngine())
    return private, f"a private one at {private.url}, since {asked}"
