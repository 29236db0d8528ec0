"""`dockline schema`."""

from __future__ import annotations

import json

import pytest

from pipeline.cli import main
from pipeline.config.schema import schema


def test_it_prints_the_schema_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == schema()
