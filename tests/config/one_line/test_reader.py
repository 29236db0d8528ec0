"""One address of a sink: what becomes of its parts, and what is said of wrong ones."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config.one_line.reader import read_address, schemes, schemes_of
from pipeline.model import registry

SECRET = "Zk9-qJ7xV_w4hT"


def sink(address: str) -> dict[str, Any]:
    read = read_address(address)
    assert read.slips == []
    return {"type": read.type, **read.sink}


def route(query: str) -> dict[str, Any]:
    read = read_address(f"console://?{query}")
    assert read.slips == []
    return read.route


def slips(address: str) -> list[str]:
    """Each message with its hint, and the part of the argument that it marks."""
    read = read_address(address)
    problems = [read.problem(slip) for slip in read.slips]
    return [f"{one.excerpt[slice(*one.mark)]}: {one.sentence}" for one in problems]


@pytest.mark.parametrize(
    ("address", "settings"),
    [
        ("console://", {"type": "console"}),
        ("file:///var/log/x.json", {"type": "file", "path": "/var/log/x.json"}),
        ("file://./a%20b.json", {"type": "file", "path": "./a b.json"}),
        ("syslog+tls://h", {"type": "syslog", "address": "tls://h"}),
        ("SYSLOG+UDP://[::1]:514", {"type": "syslog", "address": "udp://[::1]:514"}),
        ("papertrail://h:1", {"type": "papertrail", "address": "h:1"}),
        ("gelf+udp://h", {"type": "gelf", "address": "udp://h"}),
        ("logstash+tcp://h:5", {"type": "logstash", "address": "tcp://h:5"}),
        ("lumberjack://h", {"type": "logstash", "address": "lumberjack://h"}),
        ("logstash+lumberjack+tls://h", {"type": "logstash", "address": "lumberjack+tls://h"}),
        ("https://h/a?b=c&d", {"type": "http", "url": "https://h/a?b=c&d"}),
        ("https://h?format=array", {"type": "http", "url": "https://h", "format": "array"}),
        ("loki+https://h/p/", {"type": "loki", "url": "https://h/p/"}),
        ("prometheus://", {"type": "prometheus"}),
        ("prometheus://[::]:1/m/x", {"type": "prometheus", "listen": "[::]:1", "path": "/m/x"}),
        (
            "prometheus-remote-write+http://h/w",
            {"type": "prometheus_remote_write", "url": "http://h/w"},
        ),
        (
            "elasticsearch+http://a:1,b:2/p",
            {"type": "elasticsearch", "urls": ["http://a:1/p", "http://b:2/p"]},
        ),
        (
            "kafka://a:1,b:2/t",
            {"type": "kafka", "bootstrap_servers": ["a:1", "b:2"], "topic": "t"},
        ),
        (
            "kafka+tls://u:p%2Fw@a",
            {
                "type": "kafka",
                "tls": {},
                "sasl": {"user": "u", "password": "p/w"},
                "bootstrap_servers": ["a"],
            },
        ),
        (
            "nats+tls://a,b/LOGS",
            {"type": "nats", "urls": ["tls://a", "tls://b"], "stream": {"name": "LOGS"}},
        ),
        (
            "redis://:pw@h/2/logs/x",
            {
                "type": "redis",
                "password": "pw",
                "address": "redis://h",
                "database": 2,
                "stream": "logs/x",
            },
        ),
        ("rediss://h/s", {"type": "redis", "address": "rediss://h", "stream": "s"}),
        ("redis+unix:///run/r", {"type": "redis", "address": "unix:///run/r"}),
        ("s3://b/{x}/%Y/%m", {"type": "s3", "bucket": "b", "prefix": "{x}/%Y/%m"}),
        (
            "s3+http://k:s@h:9/b/p/q",
            {
                "type": "s3",
                "path_style": True,
                "access_key_id": "k",
                "secret_access_key": "s",
                "endpoint": "http://h:9",
                "bucket": "b",
                "prefix": "p/q",
            },
        ),
        (
            "forward+tcp://u:p@h",
            {"type": "forward", "user": "u", "password": "p", "address": "tcp://h"},
        ),
        (
            "syslog+tls://${H:-a@b/c?d}:${P}?tls.ca=${file:/a?b&c=d}",
            {
                "type": "syslog",
                "address": "tls://${H:-a@b/c?d}:${P}",
                "tls": {"ca": "${file:/a?b&c=d}"},
            },
        ),
    ],
)
def test_each_part_goes_to_its_option(address: str, settings: dict[str, Any]) -> None:
    assert sink(address) == settings


def test_an_option_gets_the_type_that_it_takes() -> None:
    found = sink(
        "elasticsearch+http://h?ids=false&buffer.disk=1GiB&batch.entries=5&parameters.a=1"
        "&compression=none&retry.max=1m&index=a%26b"
    )
    assert found["ids"] is False
    assert found["buffer"] == {"disk": "1GiB"}
    assert found["batch"] == {"entries": 5}
    assert found["parameters"] == {"a": "1"}
    assert (found["compression"], found["retry"], found["index"]) == ("none", {"max": "1m"}, "a&b")


def test_stages_keep_their_order_and_options_of_one_go_together() -> None:
    assert route("join=java&redact.what=email,card&redact.keys=password&drop=a&drop=b") == {
        "stages": [
            {"join": "java"},
            {"redact": {"what": ["email", "card"], "keys": ["password"]}},
            {"drop": "a"},
            {"drop": "b"},
        ]
    }
    assert route("set.a=1&set.b=2&set.a=3") == {
        "stages": [{"set": {"a": 1, "b": 2}}, {"set": {"a": 3}}]
    }


def test_what_the_route_takes_is_in_the_query_too() -> None:
    query = "from=logs,events&filter.name=web-*&filter.labels=a:b&containers=x or y"
    assert route(query) == {
        "from": ["logs", "events"],
        "containers": "name.startswith('web-') and labels['a'] == 'b' and (x or y)",
    }
    assert route("filter.sources=stderr") == {"stages": [{"keep": "stream == 'stderr'"}]}


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("papertral://h:1", 'papertral: there is no papertral://; did you mean "papertrail://"?'),
        ("loki://h", "loki: there is no loki://; write loki+http:// or loki+https://"),
        ("syslog+ssl://h", "syslog+ssl: there is no syslog+ssl://; write syslog://, syslog+tcp:"),
        ("stdout://", "stdout: there is no stdout://; write console://"),
        ("es+http://h", "es+http: there is no es+http://; write elasticsearch+http:// or elast"),
        ("papertral+tls://h", "papertral+tls: there is no papertral+tls://; write papertrail://,"),
        ("statsd://h", "statsd: there is no statsd://; metrics are read from /metrics, or sent"),
        ("slack://h", "slack: there is no slack://; write http:// or https://"),
        ("zzz://h", "zzz: there is no zzz://; known: console, elasticsearch, file, forward, gelf"),
        ("raw://h", "raw: there is no raw://; write logstash+tcp://… for JSON lines, or syslog"),
        ("raw+tcp://h", "raw+tcp: there is no raw+tcp://; write logstash+tcp://… for JSON"),
        ("multiline+raw://h", "multiline+raw: there is no multiline+raw://; leave out multiline+"),
        ("fluentd-tcp://h", "fluentd-tcp: there is no fluentd-tcp://; write forward+tcp://…"),
        ("tcp://h:1", "tcp: there is no tcp://; write syslog+tcp://…, logstash+tcp:// for JSON"),
        ("logs.example.com:514", "logs.example.com:514: this is not the address of a sink; write"),
        ("x.toml", "x.toml: this is not the address of a sink; a file is given with -c x.toml"),
        ("papertrail://", "papertrail://: the address is missing; write it like papertrail://logs"),
        ("file://var/x", "var/x: a path begins with a slash; write file:///var/x, or file://./ "),
        ("console://x", "x: console has no address; write console://, with options after a ques"),
        ("syslog+tls://u:p@h", "***: syslog takes no user and no password here; leave out what"),
        ("redis://u:p/w?x@h", "***: a password has a character that ends it here; write / as %2F"),
        ("syslog://a,syslog://b", "syslog://b: one argument is the address of one sink; write a "),
        (
            "nats://a,nats://b",
            "nats://b: one argument is the address of one sink; write the others",
        ),
        ("syslog+tcp://h?type=x", "type: the type stands before ://; leave this out"),
        ("syslog+tcp://h?address=x", "address: the address stands before the ?; leave this out"),
        ("file:///x?fsync=a&fsync=b", "b: fsync is given twice; leave one of them out"),
        ("file:///x?rotate=a&rotate.keep=1", "1: rotate.keep is given twice; leave one of them"),
        ("file:///x?fsnc=never", 'fsnc: unknown option "fsnc"; did you mean "fsync"?'),
        (
            "file:///x?bufer.disk=1",
            'bufer.disk: unknown option "bufer.disk"; did you mean "buffer.',
        ),
        ("http://h?bufer.disk=1", 'bufer.disk: unknown option "bufer.disk"; did you mean "buffer.'),
        (
            "file:///x?filter.nam=1",
            'filter.nam: unknown option "filter.nam"; did you mean "filter.n',
        ),
        ("file:///x?zzzzzz", 'zzzzzz: unknown option "zzzzzz"; known here: buffer, batch, retry,'),
        ("file:///x?append_tag=.db", 'append_tag: unknown option "append_tag"; the tag is the'),
        ("file:///x?filter.sources=in", 'in: there is no stream "in"; write stdout or stderr'),
        ("file:///x?filter.name=", ": filter.name is empty; leave it out"),
    ],
)
def test_what_is_wrong_is_told_with_its_place_and_what_to_write(address: str, said: str) -> None:
    (found,) = slips(address)
    assert found.startswith(said)


def test_an_address_of_any_length_is_told_in_no_time() -> None:
    for piece in ("a&", "a,", "${", "@:/", "keep=x&", ",b://"):
        read = read_address("kafka://" + piece * 50_000)
        assert [message for _, message, _ in read.slips] == [
            "an address has at most 8,192 characters"
        ]
        read_address("kafka://" + (piece * 8000)[:8000])


def test_everything_that_is_wrong_is_told_at_once() -> None:
    assert len(slips("syslog+tls://u:p@h?type=x&nope=1&filter.sources=x")) == 4


def test_syslog_without_a_protocol_warns_those_who_come_from_logspout() -> None:
    ((_, message, hint),) = read_address("syslog://h").doubts
    assert "for Logspout it was UDP" in message
    assert hint == "write syslog+tcp:// or syslog+udp:// to say which is meant"
    assert read_address("syslog+tcp://h").doubts == []


@pytest.mark.parametrize(
    "address",
    [
        f"redis://me:{SECRET}@h/1",
        f"redis://{SECRET}@h/1",
        f"syslog+tls://me:{SECRET}@h",
        f"papertral://me:{SECRET}@h",
        f"me:{SECRET}@h",
        f"https:/me:{SECRET}@h",
        f"redis://me:{SECRET}/x@h",
        f"redis://me:{SECRET}?x@h",
        f"redis://me:{SECRET}#x@h",
        f"redis://me:{SECRET}@x@h",
        f"papertrail://h:1?token={SECRET}",
        f"papertrail://h:1?tokne={SECRET}",
        f"papertral://h:1?token={SECRET}",
        f"papertrail://h:1?timeout=https://me:{SECRET}@h",
        f"https://h?sig={SECRET}",
        f"https://h/hook/{SECRET}?bufer.disk=1",
        f"https://h?headers.X-Key={SECRET}",
        f"https://h?auth.bearer={SECRET}&nope.x=1",
        f"https://me:${{X:-{SECRET}}}@h",
        f"papertrail://h:1?token=${{X:-{SECRET}}}",
        f"kafka://me:{SECRET}@h?sasl.user=twice&sasl.password=x&type=y",
    ],
)
def test_no_secret_is_shown(address: str) -> None:
    read = read_address(address)
    assert SECRET not in read.shown
    assert SECRET not in read.label
    assert SECRET not in repr(read)
    for one in (*read.slips, *read.doubts):
        assert SECRET not in repr(read.problem(one))
    for path in read.spans:
        place = read.place(path)
        assert place is not None and SECRET not in place.shown


def test_a_reference_to_a_secret_is_shown() -> None:
    assert read_address("papertrail://h:1?token=${T}").shown == "papertrail://h:1?token=${T}"


@pytest.mark.parametrize("name", registry.names("sinks"))
def test_every_sink_is_written_in_one_line_as_its_examples_say(name: str) -> None:
    forms = registry.config_type("sinks", name).address_forms
    assert forms
    for form in forms:
        read = read_address(form.example)
        assert (read.type, read.slips) == (name, [])


def test_no_scheme_means_two_sinks() -> None:
    found = [scheme for name in registry.names("sinks") for scheme, _ in schemes_of(name)]
    assert sorted(found) == sorted(set(found)) == sorted(schemes())


def test_no_option_of_a_sink_has_the_name_of_a_stage() -> None:
    stages = set(registry.names("stages"))
    for name in registry.names("sinks"):
        assert not stages & set(registry.config_type("sinks", name).__struct_encode_fields__)


PIECES = ["syslog", "+tls", "https", "://", ":", "/", "?", "&", "=", "@", "${", "}", ",", "a", "%4"]
PIECES += ["kafka", "filter.name", "set.a", "tls.ca", "buffer", ".", "*", "[", "\n", "é", "keep"]


@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join) | st.text(max_size=40))
def test_any_text_is_read_or_told_in_sentences(text: str) -> None:
    read = read_address(text)
    assert read.complete or read.slips
    for slip in read.slips:
        problem = read.problem(slip)
        assert problem.message.isprintable() and problem.excerpt.isprintable()
        start, end = problem.mark
        assert 0 <= start <= end <= len(problem.excerpt)
