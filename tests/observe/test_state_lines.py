"""Whether containers run and how they ended, on `/metrics`."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from pipeline.model.cadvisor import LONGEST_LABEL, label_names
from pipeline.model.container import Container
from pipeline.model.container_state import State
from pipeline.observe import state_lines
from pipeline.observe.metrics_page import Exposition
from pipeline.observe.state_lines import StateLines
from pipeline.testing.builders import container
from tests.sources.docker.answers import CONTAINER, reading

WEB = container("web", number=1, labels={"tier": "front"})


def text(lines: StateLines, openmetrics: bool = False) -> str:
    return "".join(lines.pieces(openmetrics))


def failed() -> State:
    return State(
        state="exited", exit_code=3, finished=2.5, end="by_itself", cgroup="/mine", version=1
    )


def test_a_container_has_the_labels_of_its_other_series() -> None:
    lines = StateLines(label_names(["tier"]), lambda: [(WEB, failed())])
    labels = f'id="/mine",image="{WEB.image}",name="web",container_label_tier="front"'
    page = text(lines)
    assert f'container_exit_code{{{labels},reason="error"}} 3\n' in page
    assert f'container_state{{{labels},state="exited"}} 1\n' in page
    assert f"container_running{{{labels}}} 0\n" in page
    assert f"container_finish_time_seconds{{{labels}}} 2.5\n" in page


def test_families_are_whole_in_both_formats() -> None:
    others = [(container(f"c{number}", number=number), failed()) for number in range(500)]
    lines = StateLines([], lambda: others)
    assert text(lines).count("# TYPE container_exit_code gauge\n") == 1
    families = list(text_string_to_metric_families(text(lines, openmetrics=True) + "# EOF\n"))
    assert {family.name: len(family.samples) for family in families} == dict.fromkeys(
        ("container_running", "container_state", "container_exit_code",
         "container_finish_time_seconds", "container_oom_events"), 500,
    )  # fmt: skip


def test_lines_are_made_anew_where_something_has_changed_and_nowhere_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[State] = []
    original = state_lines.family_lines

    def spy(families: Any, state: State, labels: Any) -> list[str]:
        made.append(state)
        return original(families, state, labels)

    monkeypatch.setattr(state_lines, "family_lines", spy)
    first, second = failed(), failed()
    there: list[tuple[Container, State]] = [(WEB, first), (CONTAINER, second)]
    lines = StateLines([], lambda: there)
    text(lines)
    text(lines)
    assert made == [first, second]
    first.exit_code, first.version = 4, 2
    there[1] = (container("renamed", number=7), second)
    assert 'name="renamed"' in text(lines)
    assert len(made) == 4
    del there[1]
    assert 'name="renamed"' not in text(lines)


def test_hostile_labels_are_cut_and_what_is_beyond_the_limit_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    huge = {"tier": "x" * (256 << 10)}
    there = [(container(f"c{n}", number=n, labels=huge), failed()) for n in range(10)]
    lines = StateLines(label_names(["tier"]), lambda: there)
    page = text(lines)
    assert 'tier="' + "x" * LONGEST_LABEL + '"' in page
    assert len(page) < 10 * 6 * (LONGEST_LABEL + 300)
    monkeypatch.setattr(state_lines, "MOST", 20_000)
    assert 0 < text(lines).count("container_running{") < 4


async def test_a_page_with_states_has_each_series_once() -> None:
    """Start, health, restarts and memory are in readings of stats, too."""
    state = State(state="running", health="healthy", started=7.0, restarts=3, oom=2, version=1)
    exposition = Exposition(states=lambda: [(CONTAINER, state)])
    exposition.update(reading("v1"))
    page = b"".join(await exposition.render()).decode()
    assert page.count("container_restarts_total{") == 1
    for line in ("container_start_time_seconds", "container_health_state", "container_memory_rss"):
        assert page.count(f"# TYPE {line} ") == 1
    samples = [line.rpartition(" ")[0] for line in page.splitlines() if not line.startswith("#")]
    assert len(samples) == len(set(samples))
    del samples
    exposition.remove(CONTAINER.id)
    assert "container_restarts_total{" in b"".join(await exposition.render()).decode()
