"""Every recipe in `docs/guides/webhooks.md` is valid, passes its tests, and sends what the service
takes."""

from __future__ import annotations

import json
import re
import tomllib
from asyncio import to_thread
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli import main
from pipeline.cli.test import cases
from pipeline.config.file import ConfigFile, parse
from pipeline.config.settings import CaseLine
from pipeline.explain.dry_run import DryRun, Line
from pipeline.explain.facts import Found, explained
from pipeline.expression import compile_json
from pipeline.expression.json_template import read_wrapper
from pipeline.model import registry
from pipeline.model.batch import Batch
from pipeline.model.component import Payload, Sink, SinkContext
from pipeline.model.container import Container
from pipeline.model.errors import Unavailable
from tests.docs.test_cookbook_page import anchor, stages, text_of
from tests.servers.http_receiver import Request, answer, http_receiver
from tests.servers.otlp import read_logs, records
from tests.servers.services.chats import Discord, Ntfy, Slack, Teams
from tests.servers.services.intakes import Datadog, NewRelic, Splunk
from tests.servers.services.pagerduty import PagerDuty
from tests.servers.services.service import Service, serving

PAGE = (Path(__file__).parents[2] / "docs/guides/webhooks.md").read_text()
RECIPES = {
    section.partition("\n")[0]: re.findall(
        r"^```toml\n(.*?)^```$", section, re.DOTALL | re.MULTILINE
    )
    for section in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]
}
SERVICES: dict[str, type[Service]] = {
    "Slack": Slack,
    "Crashes in Slack": Slack,
    "Teams": Teams,
    "Discord": Discord,
    "PagerDuty": PagerDuty,
    "ntfy": Ntfy,
    "Splunk": Splunk,
    "Datadog": Datadog,
    "New Relic": NewRelic,
}
INTAKES = ("Splunk", "Datadog", "New Relic")
HOSTS = (
    "https://events.pagerduty.com",
    "https://ntfy.sh",
    "https://splunk.example.com:8088",
    "https://http-intake.logs.datadoghq.com",
    "https://log-api.newrelic.com",
)
OF = Container(
    "1" * 64, "shop-api-1", "shop/api:1.4", {"com.docker.compose.service": "api"}, host="web-1"
)
TEXTS = [
    'CRITICAL: say "hi" \\ and {container.id} {{}} }}, "x": 1',
    "CRITICAL: <!channel> @everyone [link](https://evil.example.com) <at>all</at>",
    "CRITICAL: tab\t bell\x07 escape\x1b[31m null\0 é☃\U0001f600",
]


def environ(url: str = "https://example.com") -> dict[str, str]:
    return {
        "SLACK_WEBHOOK": url + Slack.PATH,
        "TEAMS_WEBHOOK": f"{url}{Teams.PATH}?{Teams.QUERY}",
        "DISCORD_WEBHOOK": url + Discord.PATH,
        "PAGERDUTY_KEY": PagerDuty.KEY,
        "NTFY_TOKEN": Ntfy.TOKEN,
        "NTFY_TOPIC": "alerts-of-web-1",
        "SPLUNK_TOKEN": Splunk.TOKEN,
        "DD_API_KEY": Datadog.KEY,
        "NEW_RELIC_KEY": NewRelic.KEY,
    }


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environ().items():
        monkeypatch.setenv(name, value)


def reading(recipe: str, url: str = "") -> ConfigFile:
    """The recipe, with the service at `url`."""
    (text,) = RECIPES[recipe]
    for host in HOSTS if url else ():
        text = text.replace(host, url)
    return parse(text, environ(url or "https://example.com"))


def written(text: str, folder: Path) -> str:
    file = folder / "dockline.toml"
    file.write_text(text)
    return str(file)


# ------------------------------------------------------------------------------ the page


def test_the_contents_list_every_recipe_in_order() -> None:
    listed = re.findall(r"\[([^\]]+)\]\(#([^)]+)\)", PAGE)
    assert listed == [(name, anchor(name)) for name in RECIPES]
    assert {name for name, blocks in RECIPES.items() if len(blocks) == 1} == {
        *SERVICES,
        "CloudWatch",
    }


def test_the_template_at_the_top_is_one() -> None:
    first = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)[0]
    compile_json(tomllib.loads(first)["sinks"]["chat"]["template"])
    wrappers = re.findall(r"`wrap = '(.*?)'`", PAGE)
    assert [read_wrapper(one, is_json=True).place for one in wrappers] == ["value", "string"]


@pytest.mark.parametrize("recipe", RECIPES)
def test_check_finds_nothing_to_say(recipe: str, tmp_path: Path) -> None:
    assert reading(recipe).warnings == []
    assert main(["check", "-c", written(RECIPES[recipe][0], tmp_path)]) == 0


@pytest.mark.parametrize("recipe", RECIPES)
def test_it_passes_its_own_tests(recipe: str, tmp_path: Path) -> None:
    assert main(["test", "-c", written(RECIPES[recipe][0], tmp_path)]) == 0


@pytest.mark.parametrize("recipe", RECIPES)
def test_its_tests_fail_without_the_stages_that_choose(recipe: str, tmp_path: Path) -> None:
    for name, place in stages(tomllib.loads(RECIPES[recipe][0])):
        tree = tomllib.loads(RECIPES[recipe][0])
        stage = tree["routes"][name]["stages"].pop(place)
        if "keep" in stage or (recipe == "Slack" and not {"throttle", "truncate"} & set(stage)):
            assert main(["test", "-c", written(text_of(tree), tmp_path)]) == 1, stage


# --------------------------------------------------------------------------- the service


def batches(config: ConfigFile, *lines: str) -> list[Batch]:
    """What the recipe's route makes of the lines, or of the events of its test."""
    (route,) = config.config.routes
    case = config.config.tests[0]
    if case.source == "events":
        given = cases.lines([CaseLine(line=line, fields=_died(case)) for line in lines])
    else:
        given = cases.lines(lines)
    run = DryRun(route, config.config, OF, case.source)
    run.run(given)
    return run._output.batches


def _died(case: Any) -> dict[str, Any]:
    found = (dict(one.fields) for one in case.input)
    return next(fields for fields in found if fields["docker"]["event"].get("exit_code"))


async def delivered(config: ConfigFile, some: list[Batch]) -> Payload[Any]:
    sink = await to_thread(made, config)
    try:
        await sink.open()
        payload = sink.encode(some)
        await sink.send(payload)
    finally:
        await sink.close()
    return payload


def made(config: ConfigFile) -> Sink[Any]:
    """The recipe's first sink."""
    name, table = next(iter(config.config.sinks.items()))
    implementation = registry.implementation("sinks", table.type)
    return implementation(table, SinkContext(name, host="web-1"))


def shown(recipe: str, taken: Any) -> str:
    """The text of what a service took."""
    found: dict[str, Callable[[Any], Any]] = {
        "Slack": lambda block: block["text"]["text"].removeprefix("shop-api-1: "),
        "Crashes in Slack": lambda block: (
            block["text"]["text"].removeprefix("shop-api-1: ").partition("\nlast lines: ")[0]
        ),
        "Teams": lambda block: block["inlines"][1]["text"],
        "Discord": lambda embed: embed["description"],
        "PagerDuty": lambda event: event["payload"]["summary"],
        "Splunk": lambda event: event["event"]["message"],
    }
    return str(found.get(recipe, lambda entry: entry["message"])(taken))


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """How fast requests follow each other is not looked at."""

    async def turn(self: object) -> None: ...

    monkeypatch.setattr("pipeline.transport.pace.Pace.turn", turn)
    monkeypatch.setattr(Slack, "BURST", 1000)
    monkeypatch.setattr(Slack, "_tokens", 1000.0)


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("recipe", SERVICES)
async def test_the_service_takes_what_it_sends_whatever_the_text(recipe: str) -> None:
    async with serving(SERVICES[recipe]()) as service:
        config = await to_thread(reading, recipe, service.url)
        payload = await delivered(config, await to_thread(batches, config, *TEXTS))
    assert [shown(recipe, taken) for taken in service.taken] == TEXTS
    assert (payload.entries, payload.refused) == (len(TEXTS), [])
    assert all(200 <= status < 300 for status in service.answers)


def test_what_slack_is_sent_is_on_the_page() -> None:
    section = PAGE.partition("## Slack")[2].partition("\n## ")[0]
    (body,) = re.findall(r"```json\n(.*?)\n```", section, re.DOTALL)
    config = reading("Slack")
    facts = explained(config, Found(Container("1" * 64, "web", "")), [Line(b'ERROR no "db"')])
    (sink,) = facts["lines"][0]["routes"][0]["to"]
    assert sink["sends"] == body


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("recipe", SERVICES)
async def test_a_hundred_large_entries_are_within_its_limits(recipe: str) -> None:
    """As many as are gathered in one go; how fast they go is not looked at here."""
    length = 8_000 if recipe in INTAKES else 2_000
    lines = [f"CRITICAL: {number} " + 'é"' * length for number in range(100)]
    async with serving(SERVICES[recipe]()) as service:
        config = await to_thread(reading, recipe, service.url)
        some = await to_thread(batches, config, *lines)
        payload = await delivered(config, some)
    passed = sum(map(len, some))
    assert passed >= 5 and (payload.entries, payload.refused) == (passed, [])
    assert len(service.taken) == passed
    assert all(200 <= status < 300 for status in service.answers), service.answers
    if recipe in INTAKES:
        assert [shown(recipe, taken) for taken in service.taken] == lines


@pytest.mark.parametrize("recipe", SERVICES)
async def test_the_services_are_strict(recipe: str) -> None:
    """A recipe with one thing wrong is not taken, so that a test above can fail."""
    async with serving(SERVICES[recipe]()) as service:
        (text,) = RECIPES[recipe]
        for host in HOSTS:
            text = text.replace(host, service.url)
        wrong = {name: f"{value}x" for name, value in environ(service.url).items()}
        config = await to_thread(parse, text, wrong)
        with pytest.raises(Unavailable) as raised:
            await delivered(config, await to_thread(batches, config, *TEXTS))
    assert service.taken == [] and service.answers
    assert re.search(r"answers (400|401|403|404)", str(raised.value))


@pytest.mark.parametrize(
    "recipe",
    ["Slack", "Crashes in Slack", "Teams", "Discord", "Datadog", "New Relic", "ntfy"],
)
async def test_without_its_limits_the_service_would_not_take_it(
    recipe: str,
) -> None:
    """So the tests above would fail without them."""
    length = 60_000 if recipe in INTAKES else 5_000
    lines = [f"CRITICAL: {number} " + "x" * length for number in range(100)]
    async with serving(SERVICES[recipe]()) as service:
        (text,) = RECIPES[recipe]
        for host in HOSTS:
            text = text.replace(host, service.url)
        text = re.sub(r"^limits = .*\n|^  \{ truncate = .*\n", "", text, flags=re.MULTILINE)
        config = await to_thread(parse, text, environ(service.url))
        with suppress(Unavailable):
            await delivered(config, await to_thread(batches, config, *lines))
    assert {400, 413, 429} & set(service.answers)


async def test_of_splunk_and_the_others_the_facts_of_an_entry_arrive() -> None:
    line = '{"level":"WARN","msg":"late","status":503}'
    found = {}
    for recipe in INTAKES:
        async with serving(SERVICES[recipe]()) as service:
            config = await to_thread(reading, recipe, service.url)
            await delivered(config, await to_thread(batches, config, line))
        (found[recipe],) = service.taken
    splunk = found["Splunk"]
    assert splunk["event"]["parsed"] == {"level": "warning", "msg": "late", "status": 503}
    assert (splunk["host"], splunk["source"]) == ("web-1", "shop-api-1")
    assert splunk["time"] == pytest.approx(found["New Relic"]["timestamp"] / 1000, abs=0.002)
    assert found["Datadog"]["status"] == found["New Relic"]["attributes"]["level"] == "warning"
    assert found["Datadog"]["service"] == "api"


async def test_cloudwatch_s_agent_gets_them_over_otlp() -> None:
    taken: list[Any] = []

    def judge(request: Request) -> bytes:
        assert request.path == "/v1/logs"
        taken.extend(records(read_logs(request.body)))
        return answer(200, Content_Type="application/x-protobuf")

    async with http_receiver(judge) as to:
        (text,) = RECIPES["CloudWatch"]
        assert "http://127.0.0.1:4318" in text
        text = text.replace("http://127.0.0.1:4318", to.url)
        config = await to_thread(parse, text, {})
        await delivered(config, await to_thread(batches, config, *TEXTS))
    assert len(taken) == len(TEXTS)


def test_the_files_of_cloudwatch_s_agent_are_json() -> None:
    section = PAGE.partition("## CloudWatch")[2]
    otlp, files = map(json.loads, re.findall(r"```json\n(.*?)```", section, re.DOTALL))
    assert otlp == {"opentelemetry": {"collect": {"otlp": {}}}}
    (one,) = files["logs"]["logs_collected"]["files"]["collect_list"]
    assert f'path = "{one["file_path"]}"' in section
