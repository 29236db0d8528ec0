"""Comparisons that are valid and cannot be meant are refused with what to write."""

from __future__ import annotations

import pytest

from pipeline.expression import compile_container, compile_predicate, compile_template
from pipeline.model.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("level == error", 9, 'error without quotes is a field of this name; for the text write'),
        ("WARN != severity", 8, 'for the text write "WARN"'),
        ("log.level == fatal", 13, 'for the text write "fatal"'),
        ("level in (error, 'fatal')", 10, 'write "error" in quotes'),
        ("stream == stderr", 10, 'for the text write "stderr"'),
        ("x == 1 and stream == 'error'", 21, 'stream is never "error"; it is one of "stdout", "st'),
        ("stream in ('stdout', 'out')", 10, 'stream is never "out"'),
        ("source == 'log'", 10, 'source is never "log"; it is one of "logs", "events", "stats"'),
        ("container.name == '/web'", 18, 'a container\'s name has no slash here; write "web"'),
        ("container.id == '3f2a9c1b4d5e'", 16, 'write startswith(id, "3f2a9c1b4d5e")'),
        ("container.image == None", 19, 'image is always a text, empty if there is none'),
        ("level == 'a' or 'b'", 16, 'the same for every entry; write level in ("a", "b")'),
        ("status != 500 and 502", 18, "write status not in (500, 502)"),
        ("not (level == 'a' and 'b')", 22, "compare it with a field"),
        ("x and (y or 1)", 12, "1 by itself is the same for every entry"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_stage(text: str, column: int, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        compile_predicate(text)
    assert message in caught.value.message
    assert caught.value.column == column


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("name == '/web'", 8, 'a container\'s name has no slash here; write "web"'),
        ("name not in ('a', '/web')", 12, 'write "web"'),
        ("name.startswith('/web-')", 16, 'write "web-"'),
        ("startswith(name, ('a', '/b'))", 17, 'write "b"'),
        ("matches(name, '^/web')", 14, 'write "^web"'),
        ("name == web", 8, 'a container has no "web". There are id, name, image, labels'),
        ("name == web", 8, 'a text is in quotes, "web"'),
        ("name == 'api-*'", 8, '== takes * literally; write startswith(name, "api-")'),
        ("image == '*/nginx'", 9, 'write endswith(image, "/nginx")'),
        ("image in ('a/*:1.*', 'b')", 9, 'write matches(image, r"^a/.*:1\\..*$")'),
        ("id != 'abcdef012345'", 6, 'write startswith(id, "abcdef012345")'),
        ("service == None", 11, 'service is always a text, empty if'),
        ("project == 'a' or 'b'", 18, 'write project in ("a", "b")'),
    ],
)  # fmt: skip
def test_a_mistake_about_containers(text: str, column: int, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        compile_container(text)
    assert message in caught.value.message
    assert caught.value.column == column


@pytest.mark.parametrize(
    "text",
    [
        "level == fields['error']", "level == previous", "error == message", "x == stderr",
        "stream == 'stderr'", "'std' in stream", "stream in ('stdout', '')", "stream == other",
        "x == '/web'", "path == '/web/*'", "fields['stream'] == 'error'", "id == 'abcdef012345'",
        "container.labels['path'] == '/a/*'", "(user or 'nobody') == 'nobody'", "x or not y",
        "path.startswith('/web')", "container.image.startswith('/')", "x == None",
    ],
)  # fmt: skip
def test_what_may_be_meant_is_not_refused(text: str) -> None:
    compile_predicate(text)


def test_a_value_may_have_a_default() -> None:
    compile_template("{user or 'nobody'} {status >= 500 and 'bad' or 'good'}")
