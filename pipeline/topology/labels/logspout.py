"""How Logspout is told to ignore a container: `LOGSPOUT=ignore` in its environment, or a label.

https://github.com/gliderlabs/logspout
"""

from __future__ import annotations

from typing import Final

from pipeline.model.container import Container
from pipeline.topology.labels.request import Request

VARIABLE: Final = "LOGSPOUT"
LABEL: Final = "logspout.exclude"
"""The label of Logspout's own example for `EXCLUDE_LABEL`."""


def read(container: Container, request: Request) -> None:
    """Reads what Logspout would read. A text that means nothing to Logspout is no error."""
    if container.environment.get(VARIABLE, "").lower() == "ignore":
        request.disabled["logspout"] = VARIABLE
    elif container.labels.get(LABEL, "").lower() == "true":
        request.disabled["logspout"] = LABEL
