"""Warnings: what is valid, and probably not meant."""

from __future__ import annotations

import pytest

from pipeline.config import Problem
from pipeline.config.advice import advise
from pipeline.config.file import parse
from pipeline.config.files import NO_FILE
from pipeline.config.problems import ProblemReport

pytestmark = pytest.mark.usefixtures("parts")

SINKS = '[sinks.a]\ntype="probe"\n[sinks.b]\ntype="probe"\n[sinks.c]\ntype="gauge"\n'


def problems(text: str, **environ: str) -> list[Problem]:
    return parse(text, environ).warnings


def warnings(text: str, **environ: str) -> list[str]:
    return [f"{one.path}: {one.sentence}" for one in problems(text, **environ)]


def route(*stages: str, more: str = "") -> str:
    listed = ",\n  ".join(stages)
    return f'[routes.r]\n{more}\nto = ["console"]\nstages = [\n  {listed}\n]\n'


def test_a_sink_that_no_route_feeds_is_warned_of() -> None:
    assert warnings(SINKS + '[routes.r]\nto=["a"]\n[routes.s]\nfrom=["stats"]\nto=["c"]') == [
        "sinks.b: no route leads to this sink; name it in the `to` of a route, or remove it"
    ]


def test_a_sink_that_cannot_use_what_a_route_brings_is_warned_of() -> None:
    assert warnings(SINKS + '[routes.r]\nto=["a", "b", "c"]') == [
        'routes.r.to[2]: "c" takes only stats; this route has none'
    ]


def test_a_route_of_what_is_turned_off_is_warned_of() -> None:
    text = '[stats]\nevery="off"\n[events]\nenabled=false\n[routes.r]\nto=["console"]\n'
    assert warnings(text + 'from=["stats", "events", "logs"]') == [
        "routes.r.from: takes stats, which stats.every turns off",
        "routes.r.from: takes events, which events.enabled turns off",
    ]


def test_dead_letters_of_a_sink_that_gets_nothing_feed_nobody() -> None:
    text = '[sinks.a]\ntype="probe"\ndead_letter="b"\n[sinks.b]\ntype="probe"\n'
    other = '[sinks.c]\ntype="probe"\n[routes.r]\nto=["c"]\n'
    assert [one.partition(":")[0] for one in warnings(text + other)] == ["sinks.a", "sinks.b"]


def test_a_source_that_no_route_takes_from_is_warned_of() -> None:
    source = '[sources.hub]\ntype = "forward"\nlisten = "tcp://127.0.0.1:24224"\n'
    taken = '[routes.r]\nto = ["console"]\nfrom = '
    assert warnings(source + taken + '["docker"]') == [
        "sources.hub: no route takes from this source; name it in the `from` of a route, or remove "
        'it; "logs" takes all'
    ]
    for ours in ('["docker", "hub"]', '["logs"]', '["events"]'):
        assert warnings(source + taken + ours) == []


def test_a_route_from_nothing_is_warned_of() -> None:
    assert warnings(route(more="from = []"))[0].startswith(
        "routes.r.from: this route takes nothing"
    )


# -------------------------------------------------------------- routes that nothing can match


@pytest.mark.parametrize(
    "text",
    [
        "False",
        'name == "api" and name == "web"',
        'project == "shop" and name in ("a", "b") and project == "blog"',
        'labels["team"] == "a" and labels.team == "b"',
        'name.startswith("api-") and name == "web"',
        'service == "api" and not (service == "api")',
    ],
)
def test_a_route_that_no_container_can_match_is_warned_of(text: str) -> None:
    (problem,) = problems(route(more=f"containers = '{text}'"))
    assert problem.path == "routes.r.containers"
    assert problem.line == 2
    assert "no container can match: this is never true" in problem.message
    assert problem.hint


def test_a_route_whose_containers_are_not_followed_is_warned_of() -> None:
    followed = "[logs]\ncontainers = 'project == \"shop\"'\n"
    (warning,) = warnings(followed + route(more="containers = 'project == \"blog\"'"))
    assert "routes.r.containers: no container can match: logs.containers leaves out" in warning
    assert warnings(followed + route(more="containers = 'service == \"blog\"'")) == []


def test_a_route_that_is_fed_with_other_containers_is_warned_of() -> None:
    def routes(of_fed: str, *of_feeding: str) -> str:
        feeding = [
            f"[routes.r{number}]\nto = ['route:fed']\n{one}\n"
            for number, one in enumerate(of_feeding)
        ]
        return f"[routes.fed]\nto = ['console']\n{of_fed}\n" + "".join(feeding)

    api, web = "containers = 'name == \"api\"'", "containers = 'name == \"web\"'"
    (problem,) = warnings(routes(api, web))
    assert problem.startswith(
        "routes.fed.containers: no container can match: this route gets entries only from "
        '"r0", and of other containers'
    )
    for fine in (routes(api, api), routes(api, web, api), routes(api, ""), routes("", web)):
        assert warnings(fine) == []
    assert warnings(routes(api, web + "\nlabels = true")) == []


@pytest.mark.parametrize(
    "text", ['name == "api" or name == "web"', 'labels["a"] == "1" and labels["b"] == "2"', "True"]
)
def test_a_route_that_some_container_may_match_is_not(text: str) -> None:
    assert warnings(route(more=f"containers = '{text}'")) == []


def test_a_route_that_containers_choose_by_label_may_match_none_by_itself() -> None:
    text = route(more="labels = true\ncontainers = 'False'")
    assert warnings(text) == []
    assert len(warnings('[labels]\nhonour = ["parse"]\n' + text)) == 1


# ------------------------------------------------------- stages that let nothing through


@pytest.mark.parametrize(
    "stage",
    [
        '{ keep = "False" }',
        "{ keep = \"level == 'a' and level == 'b'\" }",
        '{ keep = "status >= 500 and status < 400" }',
        '{ drop = "True" }',
        '{ drop = "1 < 2 or level" }',
    ],
)
def test_a_stage_that_lets_nothing_through_is_warned_of_once(stage: str) -> None:
    (problem,) = problems(route('{ parse = "json" }', stage, '{ keep = "False" }'))
    verb = stage.split()[1]
    assert (problem.path, problem.line) == (f"routes.r.stages[1].{verb}", 6)
    assert problem.message == "lets nothing through"
    assert "the stages after it and the sinks of this route get nothing" in problem.hint


def test_two_stages_that_contradict_each_other_are_warned_of() -> None:
    stages = ("{ drop = \"level == 'error'\" }", "{ keep = \"level == 'error'\" }")
    (warning,) = warnings(route('{ parse = "json" }', *stages))
    assert warning.startswith(
        "routes.r.stages[2].keep: lets nothing through of what the stages before it leave; "
        "its sinks get nothing"
    )
    between = "{ set = { level = 'error' } }"
    assert warnings(route('{ parse = "json" }', stages[0], between, stages[1])) == []


# ------------------------------------------------------------------ fields that nothing makes


def test_a_field_that_no_stage_has_made_is_warned_of_with_its_place() -> None:
    (problem,) = problems(route("{ keep = \"stream == 'stderr' or level == 'error'\" }"))
    assert problem.lines("f", "warning")[0].startswith(
        f"{NO_FILE}:5: warning: routes.r.stages[0].keep: no stage before this one makes a field "
        '"level"; only a label of a container could (dockline.parse, dockline.level or '
        'dockline.tag); put { level = "auto" } before it'
    )
    (warning,) = warnings(route('{ keep = "status == 1" }'))
    assert 'could (dockline.parse or dockline.tag); put { parse = "auto" } before it' in warning
    assert problem.excerpt[problem.mark[0] :].startswith("level ==")


def test_a_field_is_always_missing_where_labels_do_not_count() -> None:
    (warning,) = warnings('[labels]\nhonour = "off"\n' + route('{ keep = "level == 1" }'))
    assert 'makes a field "level"; it is always missing' in warning


def test_fields_of_a_pattern_and_of_set_and_rename_are_known() -> None:
    parse_ip = "{ parse = { regex = '(?P<ip>[^ ]+) (?P<code>.)' } }"
    stages = (
        parse_ip,
        '{ set = { http.status = "{code}", env = "prod" } }',
        '{ rename = { ip = "address" } }',
        "{ drop = \"http.status == 5 or env == 'x' or address == '' or code == 1\" }",
    )
    assert warnings(route(*stages)) == []
    (warning,) = warnings(route(parse_ip, '{ keep = "ipp == 1" }'))
    assert 'makes a field "ipp"; did you mean "ip"?' in warning


def test_a_field_in_a_template_and_one_that_is_renamed_are_warned_of() -> None:
    stages = ('{ set = { who = "{container.name} {user.id}" } }', '{ rename = { msg = "text" } }')
    first, second = problems(route(*stages))
    assert (first.path, second.path) == (
        "routes.r.stages[0].set.who",
        "routes.r.stages[1].rename.msg",
    )
    assert first.excerpt[first.mark[0] :].startswith("user.id")


@pytest.mark.parametrize(
    "text",
    [
        route('{ parse = "json" }', '{ keep = "level == 1" }'),
        route('{ shout = "a" }', '{ keep = "level == 1" }'),
        route('{ keep = "level == 1" }', more='from = ["logs", "events"]'),
        route("{ keep = \"'level' in fields or container.name == message or time < '2'\" }"),
        route('{ remove = ["level"] }'),
        route("{ drop = \"'level' in fields and level == 1\" }"),
    ],
)
def test_a_field_that_something_may_make_is_not(text: str) -> None:
    assert warnings(text) == []


@pytest.mark.parametrize(
    ("stage", "path", "field"),
    [
        ('count = { name = "a", when = "status >= 500" }', "count.when", "status"),
        ('count = { name = "a", labels = { path = "{path}" } }', "count.labels.path", "path"),
        ('observe = { name = "a", value = "ms / 1000" }', "observe.value", "ms"),
        ('throttle = { rate = 1, key = "{user}" }', "throttle.key", "user"),
        ('sample = { rate = 0.1, keep = "level == 1" }', "sample.keep", "level"),
    ],
)
def test_so_is_one_that_another_stage_reads(stage: str, path: str, field: str) -> None:
    stages = ('{ set = { env = "prod" } }', '{ join = "java" }', f"{{ {stage} }}")
    (problem,) = problems(route(*stages))
    assert problem.path == f"routes.r.stages[2].{path}"
    assert f'makes a field "{field}"' in problem.message
    assert field in problem.excerpt[problem.mark[0] :]


def test_what_was_put_in_is_not_looked_at() -> None:
    assert warnings(route('{ keep = "${SECRET} == 1" }'), SECRET="hidden") == []


# ---------------------------------------------------------------- secrets, and open doors


def sink(line: str) -> str:
    return f'[sinks.a]\ntype = "probe"\n{line}\n'


def test_a_secret_in_plain_text_is_warned_of_and_not_shown() -> None:
    for line, message in (
        ('token = "hunter2"', "a secret in plain text"),
        ('address = "http://me:hunter2@here:1"', "a password in plain text, in an address"),
        ('address = "http://me:hunter2@${HOST}:1"', "a password in plain text, in an address"),
    ):
        (problem,) = problems(sink(line), HOST="here")
        key = line.split()[0]
        assert (problem.path, problem.line, problem.message) == (f"sinks.a.{key}", 3, message)
        assert "${NAME} or ${file:/run/secrets/NAME}" in problem.hint
        assert "hunter2" not in str(problem)


@pytest.mark.parametrize(
    "line",
    ['token = "${T}"', 'address = "http://me:${T}@here:1"', 'address = "http://me@here:1"'],
)
def test_one_that_is_put_in_is_not(line: str) -> None:
    assert warnings(sink(line), T="hunter2") == []


def test_keys_that_sound_like_secrets_are_found_wherever_they_stand() -> None:
    report = ProblemReport("f")
    keys = ("password", "X-Api-Key", "Authorization", "client_secret", "accesskey", "sasl_password")
    keys += ("X-Auth", "X-Auth-Key")
    others = ("key", "token_file", "passwords_seen", "address", "author")
    headers = dict.fromkeys((*keys, *others), "hunter2")
    tree = {"sinks": {"a": {"headers": headers}}, "routes": {"r": {"password": "x"}}}
    advise._secrets({**tree, "http": {"secret": "/run/secrets/a", "token": ""}}, report)
    assert [problem.path for problem in report.warnings] == [
        f"sinks.a.headers.{key}" for key in keys
    ]


@pytest.mark.parametrize("address", ["0.0.0.0:9114", "[::]:9114"])
def test_a_listener_on_every_address_is_warned_of_where_the_file_says_so(address: str) -> None:
    (problem,) = problems(f'[http]\nlisten = "{address}"\npage = false\n')
    assert (problem.path, problem.line) == ("http.listen", 2)
    assert "listens on every address" in problem.message
    assert warnings("", DOCKLINE_HTTP_LISTEN=address) == []
    assert warnings('[http]\nlisten = "127.0.0.1:9114"\n') == []


@pytest.mark.parametrize(
    "setting",
    ["page = true", 'page = false\ntoken = "${TOKEN}"', 'page = false\nmetrics = "token"'],
)
def test_a_token_that_goes_over_plain_http_is_warned_of_where_it_leaves_the_host(
    setting: str,
) -> None:
    token = "x" * 16
    (problem,) = problems(f'[http]\nlisten = "10.0.0.7:9114"\n{setting}\n', TOKEN=token)
    assert (problem.path, problem.line) == ("http.listen", 2)
    assert "go over plain HTTP" in problem.message
    for address in ("127.0.0.1:9114", "localhost:9114", "[::1]:9114"):
        assert warnings(f'[http]\nlisten = "{address}"\n{setting}\n', TOKEN=token) == []
    tls = f'tls = {{ cert = "{__file__}" }}'
    for harmless in (tls, "page = false"):
        assert warnings(f'[http]\nlisten = "10.0.0.7:9114"\n{harmless}\n') == []
    assert warnings(f"[http]\n{setting}\n", TOKEN=token, DOCKLINE_HTTP_LISTEN="0.0.0.0:1") == []


@pytest.mark.parametrize(
    ("address", "is_warned_of"),
    [
        ('"10.0.0.5"', False),
        ('["10.0.0.5", "fd00::/64"]', False),
        ('"127.0.0.1"', True),
        ('["10.0.0.5", "::1"]', True),
        ('"127.0.0.0/8"', True),
    ],
)
def test_a_trusted_proxy_on_this_host_is_warned_of(address: str, is_warned_of: bool) -> None:
    proxy = f'trust_proxy = {{ address = {address}, header = "X-Forwarded-User" }}'
    found = problems(f"[http]\n{proxy}\n")
    assert [one.path for one in found] == ["http.trust_proxy.address"] * is_warned_of
    assert all("every user of this host gets in" in one.message for one in found)


OUT = '[sinks.out]\ntype = "console"\n'
HIDING = OUT + '[routes.logs]\nto = ["out"]\nstages = [{ redact = ["email"] }]\n'
EVENTS = '[routes.events]\nfrom = ["events"]\nto = ["out"]\n'


def test_last_lines_that_come_around_what_hides_something_are_warned_of() -> None:
    (warning,) = warnings(HIDING + EVENTS)
    assert warning == (
        "routes.events.from: a `die` has its container's last lines, and no stage here hides what "
        'route "logs" does; give it such stages too, or set events.last_lines = 0'
    )


@pytest.mark.parametrize(
    "text",
    [
        HIDING + EVENTS + 'stages = [{ redact = ["email"] }]\n',
        HIDING + EVENTS + "[events]\nlast_lines = 0\n",
        HIDING.replace("[routes.logs]", '[routes.logs]\nfrom = ["logs", "events"]')
        + EVENTS.replace('"out"', '"route:logs"'),
        HIDING + EVENTS.replace("events", "stats"),
        OUT + EVENTS,
    ],
)
def test_they_are_not_where_they_are_hidden_too_or_nothing_is(text: str) -> None:
    assert warnings(text) == []
