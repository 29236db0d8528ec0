"""The extension that is tested: the one that was built, or the one that `$EXTENSION` names."""

from __future__ import annotations

import os
from importlib.machinery import ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from typing import Any

import pytest

from pipeline import native


@pytest.fixture(scope="session")
def c() -> native.Loops:
    if file := os.environ.get("EXTENSION"):
        return loaded(file)
    if native.loops is None:
        pytest.skip(f"{native.described}: install gcc, libc6-dev and python3-dev, and build anew")
    return native.loops


def loaded(file: str) -> Any:
    loader = ExtensionFileLoader("pipeline.native._loops", file)
    spec = spec_from_file_location(loader.name, file, loader=loader)
    assert spec
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module
