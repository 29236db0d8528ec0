"""`dockline test`."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree

import pytest

from pipeline.cli import main

Write = Callable[[str], str]

ROUTE = """\
[routes.errors]
containers = 'labels["com.docker.compose.project"] == "shop" and name.startswith("api-")'
stages = [
  { parse = "json" },
  { keep = "level in ('error', 'fatal') or status >= 500" },
  { set = { env = "prod" } },
]
to = ["console"]
[sinks.console]
type = "console"
"""
SHOP = 'container = { name = "api-1", labels = { "com.docker.compose.project" = "shop" } }\n'
BOOM = '{"level":"error","msg":"boom","n":1,"b":true,"http":{"status":500,"tags":[{"a":1,"b":2}]}}'


def case(given: str, expect: str, more: str = SHOP) -> str:
    return f"[[tests]]\nroute = 'errors'\n{more}input = {given}\nexpect = {expect}\n"


def out(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_what_comes_out_as_expected_passes(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(ROUTE + case(f"['{BOOM}', '{{\"level\":\"info\"}}']", '[{ msg = "boom" }]'))
    assert main(["test", "-c", file]) == 0
    assert out(capsys) == ["ok tests[0] errors", "1 test: 1 passed"]


@pytest.mark.parametrize(
    "fields",
    [
        "{}",
        'message = "m", env = "prod"',
        'log.level = "error"',
        '"log.level" = "error"',
        "http.status = 500",
        "n = 1.0, b = true",
        "http = { tags = [{ a = 1 }] }",
        'container.name = "api-1", event = { sequence = 1 }',
        "container.labels.com_docker_compose_project = 'shop'",
        '"@timestamp" = 2026-01-31T12:00:00.000000000Z',
    ],
)
def test_only_fields_that_are_named_are_compared(fields: str, write: Write) -> None:
    line = f"{{ line = '{BOOM}', time = \"2026-01-31T12:00:00Z\" }}"
    expect = "[{}]" if fields == "{}" else f"[{{ {fields} }}]"
    text = ROUTE.replace('env = "prod"', 'env = "prod", message = "m"')
    if "@timestamp" in fields:  # TOML's own dates have no nanoseconds
        expect = '[{ "@timestamp" = "2026-01-31T12:00:00.000000000Z" }]'
    assert main(["test", "-c", write(text + case(f"[{line}]", expect))]) == 0


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ('level = "fatal"', ['expected "fatal"', 'got      "error"']),
        ("n = true", ["expected true", "got      1"]),
        ('n = "1"', ['expected "1"', "got      1"]),
        ("http.status = 1", ["expected 1", "got      500"]),
        ("http.tags = []", ["expected []", "got      [{ a = 1, b = 2 }]"]),
        ('mgs = "boom"', ['expected "boom"', 'got      no such field; did you mean "msg"?']),
        ('stream = "stderr"', ['expected "stderr"', 'got      "stdout"']),
    ],
)
def test_each_field_that_differs_is_shown_with_both_values(
    fields: str, told: list[str], write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(ROUTE + case(f"['{BOOM}']", f"[{{ {fields} }}]"))
    assert main(["test", "-c", file]) == 1
    found = out(capsys)
    name = fields.partition(" =")[0]
    assert found[:2] == [f"FAILED tests[0] errors ({file}:11)", "  entry 1, from line 1"]
    assert found[2].strip() == name
    assert [line.strip() for line in found[3:5]] == told
    assert found[-1] == "1 test: 1 failed"


def test_of_long_values_the_part_that_differs_is_shown(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    long = "x" * 500
    text = f"[[tests]]\nroute = 'all'\ninput = ['{long}ab{long}']\n"
    assert main(["test", "-c", write(f"{text}expect = [{{ message = '{long}b{long}' }}]\n")]) == 1
    expected, got = [line.strip() for line in out(capsys)[3:5]]
    assert expected.split() == ["expected", "…" + "x" * 50 + "b" + "x" * 147 + "…"]
    assert got.split() == ["got", "…" + "x" * 50 + "ab" + "x" * 146 + "…"]


def test_what_is_missing_and_what_is_too_much_is_told_apart(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    given = """['{"level":"error","n":1}', '{"level":"info"}', '{"level":"fatal","n":3}']"""
    expect = "[{ n = 0 }, { n = 1 }]"
    file = write(ROUTE + case(given, expect))
    assert main(["test", "-c", file]) == 1
    assert out(capsys)[1:-1] == [
        "  expected entry 1 did not come out",
        "    - { n = 0 }",
        "  entry 2, from line 3, was not expected",
        '    + { level = "fatal", n = 3, env = "prod" }',
        "  line 2 was dropped by the stage keep",
    ]


def test_nothing_is_expected_of_an_empty_list(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["test", "-c", write(ROUTE + case("['text', 'x']", "[]"))]) == 0
    capsys.readouterr()
    assert main(["test", "-c", write(ROUTE + case(f"['{BOOM}']", "[]"))]) == 1
    assert "  entry 1, from line 1, was not expected" in out(capsys)


def test_fields_can_be_expected_to_be_absent(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    absent = 'absent = ["n", "http.status", "password"]\n'
    assert main(["test", "-c", write(ROUTE + case(f"['{BOOM}']", "[{}]", SHOP + absent))]) == 1
    assert out(capsys)[1:-1] == [
        "  entry 1, from line 1",
        "    n: expected to be absent",
        "  entry 1, from line 1",
        "    http.status: expected to be absent",
    ]


def test_a_parsed_field_of_a_taken_name_is_found_where_it_went(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    line = """['{"level":"error","host":"db"}']"""
    assert main(["test", "-c", write(ROUTE + case(line, '[{ host = "db" }]'))]) == 1
    assert "the parsed field is at fields.host: the name is taken" in "".join(out(capsys))
    assert main(["test", "-c", write(ROUTE + case(line, '[{ fields.host = "db" }]'))]) == 0


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (
            'container = { name = "web-1", labels = { "com.docker.compose.project" = "blog" } }\n',
            'the route does not take the container: labels["com.docker.compose.project"] == "shop" '
            'is false: labels["com.docker.compose.project"] is "blog"; name.startswith("api-") is '
            'false: name is "web-1"',
        ),
        (
            'container.labels = { "dockline.enable" = "false" }\n',
            'the container is not followed at all: its label dockline.enable is "false"',
        ),
    ],
)
def test_a_container_that_the_route_does_not_take_is_an_error(
    more: str, told: str, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["test", "-c", write(ROUTE + case("[]", "[]", more))]) == 1
    assert out(capsys)[1:] == [f"  {told}", "1 test: 1 failed"]


def test_a_container_that_the_route_is_not_to_take_is_a_test_as_well(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "[[tests]]\nroute = 'errors'\ntaken = false\n"
    assert main(["test", "-c", write(ROUTE + text + "container.name = 'web-1'\n")]) == 0
    assert main(["test", "-c", write(ROUTE + text + SHOP)]) == 1
    assert "  the route takes the container" in out(capsys)
    optout = "container.labels = { 'dockline.enable' = 'false' }\n"
    assert main(["test", "-c", write(ROUTE + text + optout)]) == 0


def test_a_source_that_the_route_does_not_take_is_an_error(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    text = ROUTE.replace("[routes.errors]", '[routes.errors]\nfrom = ["events"]')
    assert main(["test", "-c", write(text + case("[]", "[]"))]) == 1
    told = 'the route does not take logs but events, which a test has with source = "events"'
    assert out(capsys)[1] == f"  {told}"


@pytest.mark.parametrize("source", ["events", "stats"])
def test_events_and_stats_are_lines_of_no_stream_with_fields(source: str, write: Write) -> None:
    text = f"""
        [routes.r]
        from = ["{source}"]
        stages = [
          {{ keep = "docker.event.action == 'die' and stream == '' and source == '{source}'" }},
        ]
        to = ["console"]
        [sinks.console]
        type = "console"
        [[tests]]
        route = "r"
        source = "{source}"
        input = [
          {{ line = "ended", fields = {{ docker.event = {{ action = "die", exit_code = 137 }} }} }},
          {{ line = "began", fields = {{ docker.event.action = "start" }} }},
          "text",
        ]
        expect = [
          {{ message = "ended", docker.event.exit_code = 137, event.dataset = "docker.{source}" }},
        ]
        absent = ["stream"]
        """
    assert main(["test", "-c", write(text)]) == 0


METRICS = """\
[routes.r]
stages = [
  { parse = "json" },
  { count = { name = "requests", labels = { path = "{path}", status = "{status}" } } },
  { observe = { name = "seconds", value = "ms / 1000", buckets = [0.1, 1] } },
]
to = ["console"]
[sinks.console]
type = "console"
[[tests]]
route = "r"
input = ['{"path":"/\\"a\\"","status":503,"ms":100}', '{"path":"/","status":200,"ms":200}']
expect = [{}, {}]
"""


def test_metrics_that_stages_make_are_compared_by_the_names_on_the_page(write: Write) -> None:
    metrics = (
        r"""'requests_total{status="503",path="/\"a\""}' = 1""",
        """'requests_total{path="/", status="200",}' = 1.0""",
        """'requests_total{path="/",status="404"}' = 0""",
        """'seconds_bucket{le="0.1"}' = 1""",
        "seconds_sum = 0.3",
        "seconds_count = 2",
    )
    assert main(["test", "-c", write(f"{METRICS}metrics = {{ {', '.join(metrics)} }}\n")]) == 0


@pytest.mark.parametrize(
    ("metric", "told"),
    [
        ("seconds_count = 3", ["  seconds_count", "    expected 3", "    got      2"]),
        (
            "'seconds_bucket{le=\"0.2\"}' = 1",
            [
                '  seconds_bucket{le="0.2"}',
                "    expected 1",
                '    got      no such series; there is seconds_bucket{le="0.1"} and others',
            ],
        ),
        (
            "x = 1",
            [
                "  x",
                "    expected 1",
                "    got      no such series; there is "
                'requests_total{path="/\\"a\\"",status="503"}, '
                'requests_total{path="/",status="200"}, seconds_bucket{le="0.1"}, '
                'seconds_bucket{le="1.0"}, seconds_bucket{le="+Inf"} and others',
            ],
        ),
        (
            "'x{a}' = 1",
            ["  'x{a}' is no series; write it as on /metrics: http_requests_total{status=\"503\"}"],
        ),
    ],
)
def test_a_metric_that_stands_elsewhere_is_shown(
    metric: str, told: list[str], write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["test", "-c", write(f"{METRICS}metrics = {{ {metric} }}\n")]) == 1
    assert out(capsys)[1:-1] == told


def test_an_update_leaves_what_metrics_are_to_be_to_their_writer(write: Write) -> None:
    file = write(METRICS.replace("[{}, {}]", "[]") + "metrics = { seconds_count = 3 }\n")
    assert main(["test", "-c", file, "--update"]) == 1
    assert "metrics = { seconds_count = 3 }" in Path(file).read_text()


def test_without_a_stage_that_makes_metrics_there_are_none(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        main(["test", "-c", write(ROUTE + case("[]", "[]", SHOP + "metrics = { x = 1 }\n"))]) == 1
    )
    assert "    got      no such series; no stage has made any" in out(capsys)


def test_lines_have_a_stream_and_a_time_and_a_text_of_several_lines_is_several(
    write: Write,
) -> None:
    text = "[[tests]]\nroute = 'all'\ncontainer.image = 'shop/api:1.4'\ncontainer.host = 'h'\n"
    text += (
        'input = ["a\\nb\\n", { line = "c", stream = "stderr", '
        'time = "2026-01-31T13:00:00+01:00" }, ""]\n'
        'expect = [{ message = "a", container.image.tag = "1.4", host.name = "h" }, '
        '{ message = "b", stream = "stdout" }, '
        '{ message = "c", stream = "stderr", "@timestamp" = "2026-01-31T12:00:00.000000000Z" }, '
        '{ message = "", "@timestamp" = "2026-01-31T12:00:00.001000000Z" }]\n'
    )
    assert main(["test", "-c", write(text)]) == 0


def test_labels_of_the_container_count_as_they_do_for_the_agent(write: Write) -> None:
    labels = '{ "dockline.parse" = "json", "dockline.tag.team" = "core" }'
    text = f"[[tests]]\nroute = 'all'\ncontainer = {{ labels = {labels} }}\n"
    text += """input = ['{"a":1}']\nexpect = [{ a = 1, team = "core" }]\n"""
    assert main(["test", "-c", write(text)]) == 0
    assert main(["test", "-c", write('[labels]\nhonour = "off"\n' + text)]) == 1


def test_what_a_stage_holds_back_comes_out_at_the_end_and_joined_lines_are_told(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "[routes.r]\nstages = [{ join = 'indent' }]\nto = ['console']\n[[tests]]\nroute = 'r'\n"
    text += 'input = ["""\none\n  two\n"""]\n'
    assert main(["test", "-c", write(text + 'expect = [{ message = "one\\n  two" }]\n')]) == 0
    capsys.readouterr()
    assert main(["test", "-c", write(text + 'expect = [{ message = "one" }, {}]\n')]) == 1
    assert "  line 2 was joined to line 1 by the stage join" in out(capsys)


def test_one_route_s_tests_are_chosen(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    text = ROUTE + case("['x']", "[{}]") + "[routes.all]\nto = ['console']\n"
    file = write(text + "[[tests]]\nroute = 'all'\ninput = ['x']\nexpect = [{}]\n")
    assert main(["test", "-c", file, "--route", "all"]) == 0
    assert out(capsys) == ["ok tests[1] all", "1 test: 1 passed"]
    assert main(["test", "-c", file, "--route", "eror"]) == 2
    assert capsys.readouterr().err == (
        'dockline: there is no route "eror"; did you mean "errors"?\n'
    )


def test_a_bad_configuration_is_told_as_check_does(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(ROUTE + case("['x', { lin = 'y' }]", "[]"))
    assert main(["test", "-c", file]) == 2
    assert f'{file}:14: tests[0].input[1].lin: unknown key "lin"; did you mean "line"?' in (
        capsys.readouterr().err
    )


def test_no_tests_is_said(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(ROUTE)
    assert main(["test", "-c", file]) == 0
    assert out(capsys) == [f"{file} has no [[tests]] to run"]


def test_no_line_and_no_name_controls_the_terminal(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "[[tests]]\nname = '''a\nb'''\nroute = 'all'\n"
    file = write(text + 'input = ["\\u001b[2J\\u009b2J"]\nexpect = [{ message = "\\u001b" }]\n')
    assert main(["test", "-c", file]) == 1
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert "\x9b" not in printed
    assert "\\u001b[2J\\u009b2J" in printed


# ------------------------------------------------------------------------------------ secrets


def secret_file(write: Write, expect: str) -> str:
    text = ROUTE.replace('"prod"', '"prod", token = "x${TOKEN}y", escaped = "$${{HOME}}"')
    return write(text + case(f"['{BOOM}']", expect))


def test_what_was_substituted_is_never_shown(
    write: Write,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("TOKEN", "s3\"cr\\3t'" * 30)
    report = tmp_path / "report.xml"
    file = secret_file(write, '[{ token = "no", masg = "x${TOKEN}" }, { message = "${TOKEN}" }]')
    assert main(["test", "-c", file, "--junit", str(report)]) == 1
    shown = capsys.readouterr().out
    assert 'got      "x${TOKEN}y"' in shown
    for text in (shown, report.read_text()):
        assert "cr" not in text.replace("secret", "")


def test_an_update_writes_what_stands_for_it(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "s3\"cr\\3t'")
    file = secret_file(write, "[]")
    assert main(["test", "-c", file, "--update"]) == 0
    text = Path(file).read_text()
    assert "cr" not in text
    assert 'token = "x${TOKEN}y", escaped = "$${HOME}" }' in text.splitlines()[-2]
    assert main(["test", "-c", file]) == 0


# ----------------------------------------------------------------------------------- --update


def test_an_update_changes_nothing_but_what_is_expected(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    good = case("['x']", "[ ]   # as it is")
    bad = case(
        f"['{BOOM}', '{BOOM}']  # two",
        '[\n  # the first\n  { level = "info", nope = 1, log.level = "x" },  # wrong\n]\n# end',
    )
    file = write(f"# top\n{ROUTE}{good}\n\n{bad}")
    before = Path(file).read_text()
    assert main(["test", "-c", file, "--update"]) == 0
    assert out(capsys) == [
        "ok tests[0] errors",
        "updated tests[1] errors",
        "2 tests: 2 passed, 1 updated",
    ]
    whole = (
        '{ level = "error", msg = "boom", n = 1, b = true, '
        'http = { status = 500, tags = [{ a = 1, b = 2 }] }, env = "prod" }'
    )
    assert Path(file).read_text() == before.replace(
        '  { level = "info", nope = 1, log.level = "x" },  # wrong\n',
        '  { level = "error", log = { level = "error" } },  # wrong\n' + f"  {whole},\n",
    )
    assert main(["test", "-c", file]) == 0


def test_an_update_changes_each_test_in_its_own_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "conf.d"
    folder.mkdir()
    (file := tmp_path / "base.toml").write_text(ROUTE + case("['x']", "[]"))
    (folder / "1.toml").write_text("#\r\n" + case("['x']", "[{ a = 1 }]").replace("\n", "\r\n"))
    (folder / "2.toml").write_text(case("['y']", "[]") + case("['z']", "[{ b = 1 }]  # z"))
    before = {one: one.read_bytes() for one in (file, *sorted(folder.iterdir()))}
    several = ["test", "-c", str(file), "-c", str(folder)]
    assert main(several) == 1
    said = out(capsys)
    assert f"FAILED tests[1] errors ({folder}/1.toml:2)" in said
    assert any(f" tests[3] errors ({folder}/2.toml:" in line for line in said)
    assert main([*several, "--update"]) == 0
    assert out(capsys)[-1] == "4 tests: 4 passed, 2 updated"
    after = {one: one.read_bytes() for one in before}
    assert after[file] == before[file]
    first, second = folder / "1.toml", folder / "2.toml"
    assert after[first] == before[first].replace(b"[{ a = 1 }]", b"[]")
    assert after[second] == before[second].replace(b"[{ b = 1 }]", b"[]")


def test_an_update_of_a_pipe_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(fifo := tmp_path / "fifo")
    text = ROUTE + case("['x']", "[{ a = 1 }]")
    with ThreadPoolExecutor(1) as pool:
        pool.submit(fifo.write_text, text)
        assert main(["test", "-c", str(fifo), "--update"]) == 1
    assert f"cannot read {fifo} again: it is not a file" in capsys.readouterr().err


def test_an_update_of_what_passes_writes_nothing(write: Write) -> None:
    file = write(ROUTE + case("['x']", "[]"))
    os.utime(file, (0, 0))
    before = Path(file).stat()
    assert main(["test", "-c", file, "--update"]) == 0
    after = Path(file).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, 0)


def test_an_update_writes_any_text_that_may_come_out(write: Write) -> None:
    given = '["\\u001b[0m\\"\'\\\\ \\u007f ${x:-y}", "", "ä \\U0001f600", "\\u2028"]'
    text = f"[[tests]]\nroute = 'all'\ninput = {given.replace('${', '$${')}\nexpect = []\n"
    file = write(text)
    assert main(["test", "-c", file, "--update"]) == 0
    assert main(["test", "-c", file]) == 0


def test_null_cannot_be_expected_and_is_left_out(write: Write) -> None:
    given = """['{"level":"error","a":null,"b":[{"c":null}],"d":1}']"""
    file = write(ROUTE + case(given, "[{ a = 1, d = 2 }]"))
    assert main(["test", "-c", file, "--update"]) == 0
    assert Path(file).read_text().endswith("expect = [{ d = 1 }]\n")


def test_tables_in_double_brackets_are_left_alone(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "[[tests]]\nroute = 'all'\ninput = ['x']\n[[tests.expect]]\nmessage = 'y'\n"
    file = write(text)
    assert main(["test", "-c", file, "--update"]) == 1
    assert "the expect of tests[0] cannot be updated: " in capsys.readouterr().err
    assert Path(file).read_text() == text


def test_an_update_mends_neither_an_error_nor_what_is_to_be_absent(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    text = ROUTE + case("['x']", "[{}]", "") + case(f"['{BOOM}']", "[]", SHOP + "absent = ['n']\n")
    file = write(text)
    assert main(["test", "-c", file, "--update"]) == 1
    assert Path(file).read_text().startswith(text[:-3])
    found = out(capsys)
    assert found[-1] == "2 tests: 2 failed, 1 updated"
    assert "    n: expected to be absent" in found


# -------------------------------------------------------------------------------------- JUnit


def test_a_junit_report_has_every_test(write: Write, tmp_path: Path) -> None:
    text = ROUTE + case("['x']", "[]") + case("['\x7fx']", "[{}]", SHOP + "name = 'a \x7f< b'\n")
    file = write((text + case("[]", "[]", "")).replace("\x7f", "\ufffe"))
    report = tmp_path / "report.xml"
    assert main(["test", "-c", file, "--junit", str(report)]) == 1
    suites = ElementTree.parse(report).getroot()
    assert (suites.tag, suites[0].tag, suites[0].get("name")) == ("testsuites", "testsuite", file)
    counts = [suites[0].get(name) for name in ("tests", "failures", "errors")]
    assert counts == ["3", "1", "1"]
    passed, failed, error = suites[0]
    assert (passed.get("name"), passed.get("classname"), len(passed)) == (
        "tests[0] errors",
        "errors",
        0,
    )
    assert (failed.get("file"), failed.get("line")) == (file, "16")
    assert failed.get("name") == "tests[1] errors: a \ufffd< b"
    assert failed[0].tag == "failure"
    assert "line 1 was dropped by the stage keep" in (failed[0].text or "")
    assert error[0].tag == "error"
    assert (error[0].get("message") or "").startswith("the route does not take the container: ")


def test_a_report_that_cannot_be_written_is_told(
    write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["test", "-c", write(ROUTE), "--junit", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"dockline: cannot write {tmp_path}: Is a directory\n"
