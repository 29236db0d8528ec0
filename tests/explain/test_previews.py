"""What an entry becomes at a sink that is told its form, without secrets."""

from __future__ import annotations

from pipeline.config.file import parse
from pipeline.explain.dry_run import Line
from pipeline.explain.facts import Found, explained
from pipeline.explain.previews import Previews
from pipeline.testing.builders import batch, container

CONFIG = """
[sinks.chat]
type = "http"
url = "${HOOK}"
template = '{{"key": "${KEY}", "text": "{container.name}: {message}"}}'
wrap = '''{{
  "blocks": {entries}
}}'''
limits = { bytes = 100 }

[sinks.plain]
type = "http"
url = "http://collector.example.com"

[sinks.file]
type = "file"
path = "/var/log/x.json"

[routes.all]
stages = [{ keep = "message != 'no'" }]
to = ["chat", "plain", "file"]
"""
READING = parse(CONFIG, {"HOOK": "https://h.example.com/x/4fT7xK0aQ2mN", "KEY": "s3cr3t-k3y-0"})


def test_it_is_what_would_be_sent_on_one_line_with_the_secret_as_it_is_written() -> None:
    previews = Previews(READING)
    assert previews("chat", batch('say "hi"')) == (
        '{ "blocks": [{"key": "${KEY}", "text": "api-1: say \\"hi\\""}] }'
    )
    assert previews("chat", batch("x" * 100)).startswith("refused: its ")


def test_a_form_that_is_always_the_same_and_a_route_are_not_shown() -> None:
    previews = Previews(READING)
    for name in ("plain", "file", "route:other"):
        assert previews(name, batch("x")) == ""


def test_explain_has_it_for_each_line_that_comes_out() -> None:
    facts = explained(READING, Found(container()), [Line(b"yes"), Line(b"no")])
    first, second = (line["routes"][0]["to"] for line in facts["lines"])
    assert [sink["name"] for sink in first] == ["chat", "plain", "file"]
    assert '"text": "api-1: yes"' in first[0]["sends"] and second == []
    assert all("sends" not in sink for sink in first[1:])
    assert "s3cr3t" not in str(facts)
