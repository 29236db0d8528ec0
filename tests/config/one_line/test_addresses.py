"""The configuration that addresses of sinks stand for."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from pipeline.config import ConfigErrors, ConfigFile, Given, read
from pipeline.config.file import parse
from pipeline.config.one_line.addresses import Addresses
from pipeline.model import registry
from pipeline.model.tables import same

EXAMPLES = [
    form.example
    for name in registry.names("sinks")
    for form in registry.config_type("sinks", name).address_forms
]
SECRET = "Zk9-qJ7xV_w4hT"


def config(*addresses: str, files: tuple[Path, ...] = (), **environ: str) -> ConfigFile:
    return read(Given(files, addresses), environ)


def errors(*addresses: str, files: tuple[Path, ...] = ()) -> list[str]:
    with pytest.raises(ConfigErrors) as caught:
        config(*addresses, files=files)
    return [one.lines(caught.value.file)[0] for one in caught.value.problems]


def test_one_sink_is_a_configuration_that_could_have_been_written() -> None:
    assert Addresses(["papertrail://logs7.papertrailapp.com:12345"]).toml() == (
        '[sinks.papertrail]\ntype = "papertrail"\naddress = "logs7.papertrailapp.com:12345"\n'
    )


def test_a_sink_with_a_filter_has_a_route_of_its_own_and_the_others_share_theirs() -> None:
    addresses = [
        "syslog+udp://a",
        "syslog+tls://b?filter.name=web-*&parse=json",
        "console://",
        "prometheus://",
    ]
    assert tomllib.loads(Addresses(addresses).toml())["routes"] == {
        "all": {"from": ["logs"], "to": ["syslog", "console"]},
        "stats": {"from": ["stats"], "to": ["prometheus"]},
        "syslog-2": {
            "from": ["logs"],
            "containers": "name.startswith('web-')",
            "stages": [{"parse": "json"}],
            "to": ["syslog-2"],
        },
    }


def test_a_dead_letter_sink_gets_nothing_else() -> None:
    found = config("syslog+tcp://a?dead_letter=file", "file:///x", "console://?parse=json").config
    assert {name: route.to for name, route in found.routes.items()} == {
        "all": ["syslog"],
        "console": ["console"],
    }


@pytest.mark.parametrize("address", EXAMPLES)
def test_what_is_printed_gives_the_same_agent(address: str) -> None:
    for query in ("", "?buffer.disk=1GiB&batch.entries=5&filter.labels=a:b?,c&keep=a == 'b'"):
        given = config(address + query)
        assert same(given.config, parse(Addresses([address + query]).toml(), {}).config)
        assert [one for one in given.warnings if "makes a field" not in one.message] == []


def test_secrets_are_printed_as_variables_that_give_the_same_agent() -> None:
    addresses = [
        f"redis://me:{SECRET}1@h",
        f"redis://h?password={SECRET}2",
        f"https://{SECRET}3@h/x?token={SECRET}4&source=docker&auth.password=p",
        f"elasticsearch+http://h?headers.X-Key={SECRET}5",
        "victorialogs+https://u:${PASSWORD}@h?tls.ca=/ca",
    ]
    made = Addresses(addresses)
    assert SECRET not in made.toml()
    values = {
        "REDIS_PASSWORD": f"{SECRET}1",
        "REDIS_2_PASSWORD": f"{SECRET}2",
        "HTTP_AUTH_USER": f"{SECRET}3",
        "HTTP_AUTH_PASSWORD": "p",
        "HTTP_URL": f"https://h/x?token={SECRET}4&source=docker",
        "ELASTICSEARCH_HEADERS_X_KEY": f"{SECRET}5",
    }
    assert sorted(made.variables) == sorted(values)
    environ = {"PASSWORD": "hidden", **values}
    given = config(*addresses, **environ)
    printed = parse(made.toml(), environ)
    assert given.config == printed.config


def test_the_path_of_a_webhook_is_printed_only_where_it_has_plain_words() -> None:
    def toml(address: str) -> str:
        return Addresses([address]).toml()

    hook = toml("https://hooks.example.com/services/T0/B0/abcdefghijklmnopqrst")
    assert 'url = "${HTTP_URL}"' in hook
    assert 'url = "https://h/in?source=docker"' in toml("https://h/in?source=docker")
    assert 'url = "https://h/${PATH_OF_A_HOOK}"' in toml("https://h/${PATH_OF_A_HOOK}")


def test_errors_in_settings_name_the_address_and_mark_the_option() -> None:
    with pytest.raises(ConfigErrors) as caught:
        config("papertrail://h:1?timeout=5x&buffer.dsk=1", "file:///x?keep=a = b")
    assert [one.lines("")[:3] for one in caught.value.problems] == [
        [
            "file:///x?keep=a = b: stages[0].keep: " + caught.value.problems[0].sentence,
            "    file:///x?keep=a = b",
            "                     ^",
        ],
        [
            'papertrail://h:1?timeout=5x&buffer.dsk=1: buffer.dsk: unknown key "dsk"; '
            'did you mean "disk"?',
            "    papertrail://h:1?timeout=5x&buffer.dsk=1",
            "                                           ^",
        ],
        [
            'papertrail://h:1?timeout=5x&buffer.dsk=1: timeout: "5x" is not a duration; '
            'write it like "200ms", "5s" or "10m"',
            "    papertrail://h:1?timeout=5x&buffer.dsk=1",
            "                             ^^",
        ],
    ]
    assert [one.path for one in caught.value.problems][1:] == [
        "sinks.papertrail.buffer.dsk",
        "sinks.papertrail.timeout",
    ]


def test_errors_of_all_addresses_are_told_at_once() -> None:
    found = errors("papertral://h", "papertrail://h", "kafka://u:p@h", "syslog+tcp://h?nope=1")
    assert [one.partition(": ")[0] for one in found] == [
        "papertrail://h",
        "papertral://h",
        "syslog+tcp://h?nope=***",
    ]


@pytest.mark.parametrize(
    "address",
    [
        f"kafka://me:{SECRET}@h:no",
        f"redis://me:{SECRET}@h:no?stream=&trim=x",
        f"loki+https://me:{SECRET}@h?auth.bearer=x",
        f"papertrail://h:1?token={SECRET} x",
        f"https://me:{SECRET}@h?headers.A={SECRET}%0a",
        f"s3+http://me:{SECRET}@h",
    ],
)
def test_no_error_in_a_setting_shows_a_secret(address: str) -> None:
    assert SECRET not in "".join(errors(address))
    with pytest.raises(ConfigErrors) as caught:
        config(address)
    assert SECRET not in str(caught.value) + repr(caught.value.problems)


def test_a_secret_in_plain_text_is_warned_of_once() -> None:
    (warning,) = config(f"redis://:{SECRET}@h").warnings
    said = warning.lines("", "warning")
    assert said[0] == (
        "redis://***@h: warning: password: a secret in plain text; "
        "write ${NAME} or ${file:/run/secrets/NAME}"
    )
    assert said[1:] == ["    redis://***@h", "            ^^^"]


def test_a_file_gives_settings_of_the_agent(tmp_path: Path) -> None:
    (file := tmp_path / "agent.toml").write_text('[http]\nlisten = "off"\n[logs]\nread = "api"\n')
    found = config("console://", "syslog+tcp://h?join=go", files=(file,))
    assert found.file == f"{file}, command line"
    assert (found.config.http.listen, found.config.logs.read) == (None, "api")
    assert list(found.config.sinks) == ["console", "syslog"]
    assert list(found.config.routes) == ["all", "syslog"]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('[logs]\n[sinks.a]\ntype = "console"\n', "sinks.a"),
        ('[logs]\n[sinks.syslog]\ntype = "console"\n', "sinks.syslog"),
        ('[logs]\n[routes.r]\nto = ["syslog"]\n', "routes.r"),
    ],
)
def test_sinks_are_in_files_or_on_the_command_line_but_not_in_both(
    text: str, key: str, tmp_path: Path
) -> None:
    (file := tmp_path / "a.toml").write_text(text)
    (found,) = errors("syslog+tcp://h", files=(file,))
    assert found.startswith(f"{file}:2: {key}: there are sinks on the command line, so a file may")


def test_a_file_in_a_usual_place_that_is_not_read_is_warned_of(tmp_path: Path) -> None:
    file = tmp_path / "usual.toml"
    (warning,) = read(Given((), ("console://",), file), {}).warnings
    assert warning.lines("", "warning")[0].startswith(f"{file}: warning: this file is not read")
