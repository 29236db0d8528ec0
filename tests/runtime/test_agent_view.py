"""What the page sees of a running agent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.config.file import parse
from pipeline.runtime.agent import Agent
from pipeline.runtime.agent_view import RunningAgentView
from pipeline.sources.docker.lifecycle.states import Told


@pytest.fixture
def observed(tmp_path: Path) -> RunningAgentView:
    text = f'[state]\ndirectory = "{tmp_path}"\n[http]\nlisten = "off"\n'
    return RunningAgentView(Agent(parse(text, {}), {}))


def test_a_bug_of_the_page_is_logged_and_does_not_end_the_agent(
    observed: RunningAgentView, caplog: pytest.LogCaptureFixture
) -> None:
    samples: Any = None
    observed.observe({}, Told("started"))
    observed.observe({}, Told("started"))
    observed.note(samples)
    (record,) = caplog.records
    assert "the page failed" in record.message
    assert record.exc_info
