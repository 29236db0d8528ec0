"""The TOML in a component's documentation, which is the example for its keys."""

from __future__ import annotations

import inspect
import re
import textwrap
import tomllib
from functools import cache
from typing import Any

from pipeline.model import registry

_BLOCK = re.compile(
    r"^```toml\n(.*?)^```$|^```\w+\n.*?^```$|((?:^    [^\n]*\n|^\n)+)", re.DOTALL | re.MULTILINE
)


def blocks(kind: registry.Kind, name: str) -> list[str]:
    """Every fenced or indented block in the docstring of a component, but for other languages."""
    text = inspect.getdoc(registry.module(kind, name)) or ""
    found = [textwrap.dedent(block[1] or block[2] or "") for block in _BLOCK.finditer(text)]
    return [block for block in found if block.strip()]


@cache
def table(kind: registry.Kind, name: str) -> dict[str, Any]:
    """The first table of this type in the documentation of a sink or a source; empty when there is
    none."""
    for block in blocks(kind, name):
        for found in tomllib.loads(block).get(kind, {}).values():
            if found.get("type") == name:
                return dict(found)
    return {}
