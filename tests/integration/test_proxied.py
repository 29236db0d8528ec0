"""A proxy on the agent's own host, which asks from a loopback address for anybody."""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path

import pytest

from pipeline.testing.agent_process import AgentProcess
from tests.servers.proxies import nginx_before


def ask(base: str, method: str, path: str, token: str = "") -> tuple[int, str]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(base + path, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.fault(117)
@pytest.mark.server
def test_through_nginx_nobody_gets_more_without_the_token_than_what_is_for_all(
    tmp_path: Path,
) -> None:
    config = '[sinks.out]\ntype = "console"\n'
    with (
        AgentProcess(tmp_path / "agent", "unix:///nowhere/docker.sock", config) as agent,
        nginx_before(tmp_path, agent.address) as proxy,
    ):
        agent.until(lambda: "nowhere" in agent.said)  # then it can be reloaded
        base = proxy.url.replace("tcp", "http")
        for method, path in (
            ("GET", "/tap"),
            ("GET", "/tap?dropped=1"),
            ("GET", "/top"),
            ("GET", "/audit"),
            ("POST", "/-/reload"),
            ("GET", "/nothing"),
        ):
            status, text = ask(base, method, path)
            assert (status, text.count("\n")) == (401, 1), path
            assert ask(base, method, path, "guessed")[0] == 401
        for path in ("/", "/metrics", "/healthz", "/readyz"):
            assert ask(base, "GET", path)[0] in (200, 503)
        assert ask(base, "GET", "/audit", agent.token)[0] == 200
        assert ask(base, "POST", "/-/reload", agent.token)[0] == 200
        refused = 'dockline_http_refused_requests_total{reason="token"}'
        assert agent.metric(refused) == 12
