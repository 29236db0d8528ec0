"""`dockline explain`: a described container, and those of a real Engine."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from pipeline.cli import main
from pipeline.testing.private_engine import PrivateEngine

Write = Callable[[str], str]

CONFIG = """\
[sinks.out]
type = "console"
[sinks.log]
type = "file"
path = "/nowhere/x.log"
[routes.errors]
containers = 'labels["com.docker.compose.project"] == "shop" and name.startswith("api-")'
labels = true
stages = [
  { parse = "json" },
  { keep = "level == 'error'" },
  { set = { http.status = 500, env = "prod" } },
  { remove = ["message", "n"] },
]
to = ["out", "log"]
[routes.all]
to = ["log"]
[routes.events]
from = ["events", "stats"]
containers = 'project == "blog"'
to = ["log"]
"""
SHOP = ["--name", "api-1", "--label", "com.docker.compose.project=shop"]


def out(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_the_routes_that_take_a_container_and_why_the_others_do_not(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    described = ["--name", "web-1", "--image", "web:2", "--label", "com.docker.compose.project=x"]
    assert main(["explain", "-c", write(CONFIG), *described]) == 0
    assert out(capsys) == [
        "web-1 web:2",
        '  label com.docker.compose.project = "x"',
        "  followed",
        "not taken by route errors",
        '  labels["com.docker.compose.project"] == "shop" is false: '
        'labels["com.docker.compose.project"] is "x"',
        '  name.startswith("api-") is false: name is "web-1"',
        '  it has no label dockline.route = "errors"',
        "taken by route all: logs → log",
        "not taken by route events",
        '  project == "blog" is false: project is "x"',
    ]


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ("true", 'its label dockline.route is "events"'),
        ("false", None),
    ],
)
def test_a_label_that_asks_for_a_route_is_told(
    labels: str, told: str | None, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    text = CONFIG.replace("labels = true", f"labels = {labels}")
    command = ["explain", "-c", write(text), "--label", "dockline.route=events"]
    assert main(command) == 0
    found = out(capsys)
    assert (f"  {told}" in found) == (told is not None)
    assert "  its label dockline.route names the route, which needs labels = true" in found


def test_a_container_that_asks_for_a_route_gets_it(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", "-c", write(CONFIG), "--label", "dockline.route=errors"]) == 0
    assert any(line.startswith("taken by route errors: ") for line in out(capsys))


@pytest.mark.parametrize(
    ("logs", "reason"),
    [
        ("", 'its label dockline.enable is "off"'),
        (
            "[logs]\ncontainers = 'name != \"x\"'\n",
            'logs.containers: name != "x" is false: name is "x"',
        ),
    ],
)
def test_what_is_not_followed_has_a_reason_and_no_routes(
    logs: str, reason: str, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    described = ["--name", "x", "--label", "dockline.enable=off", "--line", "text"]
    assert main(["explain", "-c", write(logs + CONFIG), *described]) == 0
    assert out(capsys)[2:] == [f"  not followed: {reason}", "", "line 1 text", "  not read"]


def test_what_each_stage_does_to_a_line_and_where_it_goes(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    line = '{"level":"error","n":1,"http":{"status":200,"path":"/"},"env":"prod"}'
    command = ["explain", "-c", write(CONFIG), *SHOP]
    assert main([*command, "--line", line, "--line", '{"level":"info"}']) == 0
    assert out(capsys)[7:] == [
        "",
        f"line 1 {line}",
        "  route errors",
        '    parse   + level = "error"',
        "            + n = 1",
        '            + http = { status = 200, path = "/" }',
        '            + env = "prod"',
        "    keep    unchanged",
        "    set     ~ http.status = 500, was 200",
        f"    remove  - message = '{line}'",
        "            - n = 1",
        "    → out (console), log (file)",
        "  route all",
        "    → log (file)",
        "",
        'line 2 {"level":"info"}',
        "  route errors",
        '    parse   + level = "info"',
        "    keep    dropped",
        "  route all",
        "    → log (file)",
    ]


def test_what_a_sink_is_told_to_send_is_shown(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    template = '{{"text": "{container.name}: {message}"}}'
    config = write(f"""[sinks.chat]\ntype = "http"\nurl = "http://h/x"\ntemplate = '{template}'""")
    assert main(["explain", "-c", config, "--name", "a", "--line", 'say "hi"\x1b']) == 0
    assert out(capsys)[-2:] == [
        "    → chat (http)",
        '      chat is sent {"text": "a: say \\"hi\\"\\u001b"}',
    ]


def test_a_line_that_is_split_is_followed_by_one_of_its_parts(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    stages = '{ parse = "json" }, { split = "r" }, { keep = "n == 2" }'
    config = write(f'[routes.all]\nstages = [{stages}]\nto = ["console"]')
    line = '{"r":[{"n":1},{"n":2}]}'
    assert main(["explain", "-c", config, "--name", "a", "--line", line]) == 0
    assert out(capsys)[-6:] == [
        "    split  split into 2 entries; one of them:",
        f"           ~ message = '{{\"n\":2}}', was '{line}'",
        "           - r = [{ n = 1 }, { n = 2 }]",
        "           + n = 2",
        "    keep   unchanged",
        "    → console (console)",
    ]
    assert main(["explain", "-c", config, "--name", "a", "--json", "--line", line]) == 0
    [route] = json.loads(capsys.readouterr().out)["lines"][0]["routes"]
    assert [(one["outcome"], one.get("parts")) for one in route["stages"]] == [
        ("changed", None),
        ("split", 2),
        ("unchanged", None),
    ]
    assert route["entry"]["event"]["part"] == 2


def test_what_labels_ask_for_comes_first_and_what_is_wrong_with_them_is_told(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = ["dockline.parse=json", "dockline.tag.team=core", "dockline.rout=x"]
    command = [word for label in labels for word in ("--label", label)]
    assert main(["explain", "-c", write(CONFIG), *command, "--line", '{"a":1}']) == 0
    found = out(capsys)
    assert (
        "  note: its label dockline.rout: there is no such label; did you mean dockline.route?"
        in (found)
    )
    assert found[-4:] == [
        "  route all",
        "    dockline.parse  + a = 1",
        '    dockline.tag    + team = "core"',
        "    → log (file)",
    ]


def test_json_has_all_of_it(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["explain", "-c", write(CONFIG), *SHOP, "--json", "--stream", "stderr"]
    assert main([*command, "--line", '{"level":"error","message":"m"}']) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["container"]["name"] == "api-1"
    assert (facts["followed"], facts["reasons"], facts["notes"]) == (True, [], [])
    assert [(route["name"], route["takes"]) for route in facts["routes"]] == [
        ("errors", True),
        ("all", True),
        ("events", False),
    ]
    assert facts["routes"][2]["reasons"] == ['project == "blog" is false: project is "shop"']
    [line] = facts["lines"]
    errors, every = line["routes"]
    assert errors["stages"][0] == {
        "stage": "parse",
        "outcome": "changed",
        "line": None,
        "changes": [
            {"field": "level", "after": "error"},
            {"field": 'fields["message"]', "after": "m"},
        ],
    }
    assert errors["entry"]["stream"] == line["stream"] == "stderr"
    assert errors["entry"]["log"] == {"level": "error"}
    assert [sink["name"] for sink in errors["to"]] == ["out", "log"]
    assert (every["stages"], every["entry"]["message"]) == ([], line["line"])


def test_what_was_substituted_is_never_shown(
    write: Write, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TOKEN", "s3\\\"cr3t'")
    monkeypatch.setenv("WHO", '"s3cr3t"')
    text = "[routes.r]\nstages = [{ set = { token = '{name}${TOKEN}', x = '${TOKEN}' } }]\n"
    text += "to = ['console']\n[routes.s]\ncontainers = 'name == ${WHO}'\nto = ['console']\n"
    for more in ([], ["--json"]):
        command = ["explain", "-c", write(text), "--name", "a", "--line", "s3\\\"cr3t'", *more]
        assert main(command) == 0
        shown = capsys.readouterr().out
        assert "cr3t" not in shown
        assert "name == ${WHO} is false" in shown.replace('\\"', '"')
        assert "${TOKEN}" in shown


def test_nothing_controls_the_terminal(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    evil = "\x1b[2J\x9b\udcff"
    described = ["--name", evil, "--image", evil, "--label", f"{evil}={evil}"]
    assert main(["explain", "-c", write(CONFIG), *described, "--line", evil]) == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "\x9b" not in shown


@pytest.mark.parametrize("arguments", [[], ["api-1", "--name", "api-1"], ["x", "--label", "a=b"]])
def test_a_container_is_named_or_described(
    arguments: list[str], write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", "-c", write(CONFIG), *arguments]) == 2
    assert "name a container of the Engine, or describe one" in capsys.readouterr().err


def test_an_engine_that_is_not_there_is_told(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write('[engine]\nurl = "unix:///nowhere/docker.sock"\n')
    assert main(["explain", "-c", file, "api-1"]) == 1
    assert "there is no socket at unix:///nowhere/docker.sock" in capsys.readouterr().err


# --------------------------------------------------------------------------- a real Engine


@pytest.fixture
def running(engine: PrivateEngine, busybox: str) -> Iterator[str]:
    """The id of a container named api-explained, of the project shop."""
    label = "com.docker.compose.project=shop"
    run = ("run", "--detach", "--network", "none", "--name", "api-explained", "--label", label)
    container = engine.docker(*run, busybox, "sleep", "1000")
    yield container
    engine.docker("rm", "--force", container)


def test_a_container_of_the_engine_is_found_by_name_and_by_id(
    engine: PrivateEngine,
    busybox: str,
    running: str,
    write: Write,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = write(f'[engine]\nurl = "{engine.url}"\n{CONFIG}')
    lines = ["--line", '{"level":"info"}', "--line", '{"level":"error"}']
    for name in ("api-explained", running, running[:12]):
        assert main(["explain", "-c", file, name, *lines]) == 0
        found = out(capsys)
        assert found[0] == f"api-explained {running[:12]} {busybox}"
        assert '  label com.docker.compose.project = "shop"' in found
        assert "  followed" in found
        assert any(line.startswith("taken by route errors: logs → parse") for line in found)
        assert "    keep    dropped" in found


def test_a_container_that_does_not_run_is_told_from_one_that_does(
    engine: PrivateEngine, running: str, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    engine.docker("kill", running)
    engine.docker("wait", running)
    assert main(["explain", "-c", write(f'[engine]\nurl = "{engine.url}"\n'), running]) == 0
    assert "  note: it is not running; it is read from its next start on" in out(capsys)


def test_a_name_that_is_not_there_is_told_with_the_nearest(
    engine: PrivateEngine, running: str, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(f'[engine]\nurl = "{engine.url}"\n')
    assert main(["explain", "-c", file, "api-explaned"]) == 1
    assert 'there is no container "api-explaned"; did you mean "api-explained"?' in (
        capsys.readouterr().err
    )
    assert main(["explain", "-c", file, "../../info"]) == 1
    assert 'there is no container "../../info"; there are ' in capsys.readouterr().err


FED = """\
[sinks.out]
type = "console"
[routes.all]
containers = 'name == "api-1"'
stages = [{ parse = "json" }]
to = ["out", "route:errors"]
[routes.errors]
stages = [{ keep = "level == 'error'" }]
to = ["out"]
"""


def test_a_route_that_others_lead_to_is_shown_behind_them(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    line = '{"level":"error"}'
    assert main(["explain", "-c", write(FED), "--name", "api-1", "--line", line]) == 0
    assert out(capsys) == [
        "api-1",
        "  followed",
        "taken by route all: logs → parse → out, route:errors",
        "taken by route errors: route:all → keep → out",
        "",
        f"line 1 {line}",
        "  route all",
        '    parse  + level = "error"',
        "    → out (console), route:errors (route)",
        "  route all → errors",
        '    parse  + level = "error"',
        "    keep   unchanged",
        "    → out (console)",
    ]


def test_a_route_takes_no_container_that_those_which_lead_to_it_do_not_take(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", "-c", write(FED), "--name", "web-1", "--line", "{}"]) == 0
    assert out(capsys)[4:] == [
        "not taken by route errors",
        "  no route that leads to it takes the container: all",
        "",
        "line 1 {}",
        "  no route takes it",
    ]
