"""Errors of a real container in a chat, by the recipe as it is written; and its address nowhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.cli import main
from pipeline.testing.agent_process import AgentProcess
from pipeline.testing.private_engine import PrivateEngine
from tests.servers.services.chats import Slack
from tests.servers.services.service import Service, served

PAGE = (Path(__file__).parents[2] / "docs/guides/webhooks.md").read_text()
NAME = "chatty"
SCRIPT = (
    "echo ready; echo 'ERROR: no \"connection\" to {db}'; "
    'echo \'ERROR: no "connection" to {db}\'; echo \'{"level":"fatal","msg":"boom"}\'; '
    'i=0; while [ $i -lt 30 ]; do echo "ERROR: number $i"; i=$((i+1)); done; sleep 600'
)
SECRETS = ("B0ABCDEFG", "4fT7xK0aQ2mN")


@pytest.fixture
def slack() -> Iterator[Service]:
    with served(Slack()) as service:
        yield service


@pytest.fixture
def recipe(tmp_path: Path, slack: Service) -> str:
    """That of the page; its address is in a file, as a secret of Docker is."""
    section = PAGE.partition("## Slack\n")[2]
    found = re.search(r"```toml\n(.*?)```", section, re.DOTALL)
    assert found
    (tmp_path / "webhook").write_text(slack.url + Slack.PATH + "\n")
    return found[1].replace("${SLACK_WEBHOOK}", "${file:%s}" % (tmp_path / "webhook"))


@pytest.fixture
def container(engine: PrivateEngine, busybox: str) -> Iterator[str]:
    yield busybox
    engine.docker("rm", "--force", NAME)


def texts(slack: Service) -> list[str]:
    return [block["text"]["text"] for block in slack.taken]


def test_errors_come_once_within_the_limits_and_also_after_a_restart(
    engine: PrivateEngine, container: str, tmp_path: Path, slack: Service, recipe: str
) -> None:
    run = ("run", "--detach", "--name", NAME, "--network", "none", container, "sh", "-c")
    with AgentProcess(tmp_path, engine.url, recipe) as agent:
        agent.connected()
        engine.docker(*run, SCRIPT)
        agent.until(lambda: len(slack.taken) >= 20)
        assert agent.stop() == 0
        first = texts(slack)
        agent.start()
        agent.connected()
        assert agent.stop() == 0
    assert first[:2] == [
        f'{NAME}: ERROR: no "connection" to {{db}}',
        f'{NAME}: {{"level":"fatal","msg":"boom"}}',
    ]
    assert first[2:] == [f"{NAME}: ERROR: number {number}" for number in range(18)]
    assert texts(slack) == first
    assert set(slack.answers) == {200}


def test_its_address_is_shown_nowhere_while_the_service_repeats_it(
    engine: PrivateEngine,
    container: str,
    tmp_path: Path,
    slack: Service,
    recipe: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Slack, "PATH", "/services/elsewhere")  # so it answers 404 with the path
    run = ("run", "--detach", "--name", NAME, "--network", "none", container, "sh", "-c")
    with AgentProcess(tmp_path, engine.url, recipe) as agent:
        agent.connected()
        engine.docker(*run, SCRIPT)
        agent.until(lambda: "answers 404" in agent.get("/top")[1])
        agent.until(lambda: "answers 404" in agent.said)
        paths = ("/readyz", "/top", "/audit", "/metrics", "/api/graph")
        said = [agent.said, *(agent.get(path)[1] for path in paths)]
        file = tmp_path / "dockline.toml"
        for command in (["check", "-c", str(file)], ["check", "--live", "-c", str(file)]):
            main(command)
        said += capsys.readouterr()
    shown = "\n".join(said)
    assert "there is no /***" in shown and '"url"' not in shown
    for secret in SECRETS:
        assert secret not in shown, shown
