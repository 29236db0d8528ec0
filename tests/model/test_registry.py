"""What is a component, and what is not."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from pipeline.model import registry
from pipeline.model.errors import ConfigError


def test_a_module_that_stages_share_is_no_stage() -> None:
    assert find_spec("pipeline.stages._metric")
    assert "count" in registry.names("stages")
    assert "_metric" not in registry.names("stages")
    with pytest.raises(ConfigError, match="there is no stage"):
        registry.module("stages", "_metric")
