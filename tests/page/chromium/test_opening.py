"""Who opens the page, and what somebody who may not is told."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from playwright.sync_api import expect

from tests.page.chromium.conftest import Opener, Started
from tests.page.chromium.driver import opening

REFUSED = r"status of 40[13]|status of 421"
"""What the console says of a refusal."""


def test_the_token_moves_from_the_address_to_this_tab_alone(
    opened: Opener, started: Started
) -> None:
    agent, _ = started()
    page = opened.blank(agent)
    page.goto(opening(agent.address, agent.token))
    expect(page.get_by_role("navigation")).to_be_visible()
    page.wait_for_url(f"http://{agent.address}/#/flow")
    kept = page.evaluate("({...sessionStorage})")
    assert list(kept.values()) == [agent.token]
    assert page.evaluate("[localStorage.length, document.cookie, history.length]")[:2] == [0, ""]
    page.go_back()
    assert agent.token not in page.url
    assert not [path for path in opened.tabs[0].requests if agent.token in path]


def test_the_token_outlasts_a_reload(opened: Opener, started: Started) -> None:
    agent, _ = started()
    page = opened(agent, "#/containers")
    page.reload()
    expect(page.get_by_role("navigation")).to_be_visible()
    assert page.url.endswith("#/containers")


ELSEWHERE_AT_ONCE = """
  const frame = requestAnimationFrame;
  requestAnimationFrame = (paint) => setTimeout(() => frame(paint), 500);
  const replace = history.replaceState.bind(history);
  history.replaceState = (...given) => {
    replace(...given);
    setTimeout(() => { location.hash = "#/logs"; });
  };
"""
"""A reader who goes to another view as soon as the token is out of the address, and a browser that
is busy and paints late."""


def test_an_address_that_changes_before_the_first_paint_is_followed(
    opened: Opener, started: Started
) -> None:
    agent, _ = started()
    page = opened.blank(agent)
    page.add_init_script(ELSEWHERE_AT_ONCE)
    page.goto(opening(agent.address, agent.token))
    expect(page.get_by_text("● Live")).to_be_visible()
    assert page.url.endswith("#/logs")


@pytest.mark.parametrize("token", ["", "not-the-token-of-this-agent"])
def test_without_the_token_the_page_says_which_command_opens_it(
    opened: Opener, started: Started, token: str
) -> None:
    agent, _ = started()
    opened.allowed.append(REFUSED)
    page = opened.blank(agent)
    page.goto(opening(agent.address, token) if token else f"http://{agent.address}/#/logs")
    expect(page.get_by_role("heading", level=1)).to_contain_text("token")
    expect(page.get_by_text("dockline page", exact=True)).to_be_visible()
    expect(page.get_by_role("navigation")).to_have_count(0)
    page.get_by_label("Token").fill(opening(agent.address, agent.token))
    page.get_by_role("button", name="Open").click()
    expect(page.get_by_role("navigation")).to_be_visible()


def test_too_many_wrong_tokens_are_told_and_the_right_one_still_opens_it(
    opened: Opener, started: Started
) -> None:
    agent, _ = started()
    opened.allowed.append("status of 4(01|29)")
    for _ in range(25):
        agent.ask("GET", "/api/graph", {"Authorization": "Bearer wrong"})
    page = opened.blank(agent)
    page.goto(opening(agent.address, "not-the-token-of-this-agent"))
    expect(page.get_by_text("Too many wrong tokens came from this address")).to_be_visible()
    before = len(opened.tabs[0].requests)
    page.wait_for_timeout(6000)
    assert len(opened.tabs[0].requests) == before  # asking again would count as another one
    page.get_by_label("Token").fill(agent.token)
    page.get_by_role("button", name="Open").click()
    expect(page.get_by_role("navigation")).to_be_visible()


def test_another_host_name_gets_neither_page_nor_figures(opened: Opener, started: Started) -> None:
    agent, _ = started()
    opened.allowed.append(REFUSED)
    port = agent.address.rpartition(":")[2]
    page = opened.blank(agent)
    answer = page.goto(f"http://rebound.localhost:{port}/#token={agent.token}")
    opened.tabs[0].faults.clear()  # that host is another one
    assert answer is not None
    assert answer.status == 421
    assert agent.ask("GET", "/api/graph", {"Host": "evil.example"})[0] in (401, 421)
    bearer = {"Authorization": f"Bearer {agent.token}"}
    assert agent.ask("GET", "/api/graph", {"Host": "evil.example", **bearer})[0] == 421


ASK = """async ([address, token]) => {
  const url = `http://${address}/api/graph`, headers = { Authorization: `Bearer ${token}` };
  const found = [];
  for (const options of [{ headers }, { mode: "no-cors" }])
    found.push(await fetch(url, options).then((answer) => answer.type, () => "nothing"));
  const frame = document.body.appendChild(document.createElement("iframe"));
  frame.src = `http://${address}/#token=${token}`;
  await new Promise((done) => { frame.onload = frame.onerror = done; });
  try { found.push(frame.contentDocument.title); } catch { found.push("nothing"); }
  return found;
}"""


class Elsewhere(BaseHTTPRequestHandler):
    """A site of somebody else on this machine."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<title>elsewhere</title><link rel=icon href=data:,>")

    def log_message(self, *_: object) -> None:
        pass


def test_a_page_of_another_site_can_neither_ask_nor_frame_it(
    opened: Opener, started: Started
) -> None:
    agent, _ = started()
    opened.allowed.append("another host|console:")  # that site's business, and what it is told
    page = opened.blank(agent)
    answers = []
    page.on("response", lambda answer: answers.append((answer.url, answer.status)))
    with ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        page.goto(f"http://localhost:{server.server_port}/")
        found = page.evaluate(ASK, [agent.address, agent.token])
        server.shutdown()
    assert found[0] == found[2] == "nothing"
    assert all(status in (401, 403) for url, status in answers if "/api/" in url), answers
    assert page.frames[-1].locator("#page").count() == 0


def test_where_the_configuration_says_so_there_is_no_page(opened: Opener, started: Started) -> None:
    agent, _ = started(http="page = false")
    for path in ("/page/app.js", "/page/index.html", "/api/graph", "/api/now?once=1"):
        assert agent.get(path)[0] == 404, path
    opened.allowed.append("favicon")
    page = opened.blank(agent)
    page.goto(opening(agent.address, agent.token))
    expect(page.locator("script")).to_have_count(0)
    assert "/metrics" in page.content()
