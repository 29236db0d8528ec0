"""The TOML examples in the docstring of a component's module."""

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
    """Every TOML block, fenced or indented, in the docstring of the component's module."""
    text = inspect.getdoc(registry.module(kind, name)) or ""
    found = [textwrap.dedent(block[1] or block[2] or "") for block in _BLOCK.finditer(text)]
    return [block for block in found if block.strip()]


@cache
def table(kind: registry.Kind, name: str) -> dict[str, Any]:
    """The first example table of a sink or source of the type `name`; empty if there is none."""
    for block in blocks(kind, name):
        for found in tomllib.loads(block).get(kind, {}).values():
            if found.get("type") == name:
                return dict(found)
    return {}
