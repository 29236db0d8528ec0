"""What a configuration says that must never be shown, in every setting that there is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st

from pipeline.config import ConfigErrors, examples
from pipeline.config.file import parse
from pipeline.config.locate import Path
from pipeline.config.settings import Config
from pipeline.config.wording import arms, is_struct, toml, unwrap
from pipeline.model import registry
from pipeline.model.component import Secret
from tests.suite.examples import examples as so_many

SECRET = "Zk9-qJ7xV_w4hT"

Setting = tuple[Path, Any]
"""Where it is in the file, and its type."""


def told(text: str, environ: dict[str, str] | None = None) -> str:
    """All that anybody is told about a configuration."""
    try:
        reading = parse(text, environ or {}, "f.toml")
    except ConfigErrors as errors:
        problems, more = errors.problems, str(errors)
    else:
        problems = reading.warnings
        more = reading.starred(f"the server does not know {SECRET}")
    lines = [line for problem in problems for line in problem.lines("f.toml", "warning")]
    return "\n".join([*lines, *(json.dumps(asdict(problem)) for problem in problems), more])


def settings(type_: Any, path: Path) -> Iterator[Setting]:
    """Every key of a Struct, those of the Structs inside it too."""
    for field in msgspec.structs.fields(type_):
        here = (*path, field.encode_name)
        yield here, field.type
        for arm in arms(field.type):
            if is_struct(arm):
                yield from settings(arm, here)


def every() -> Iterator[Setting]:
    for table in msgspec.structs.fields(Config):
        if is_struct(table.type):
            yield from settings(table.type, (table.encode_name,))
    for kind in ("sinks", "sources"):
        for name in registry.names(kind):
            yield from settings(registry.config_type(kind, name), (kind, name))
    for name in registry.names("stages"):
        for arm in arms(registry.config_type("stages", name)):
            if is_struct(arm):
                yield from settings(arm, ("routes", "r", "stages", 0, name))


def has_secret(type_: Any) -> bool:
    type_ = unwrap(type_)
    if is_struct(type_):
        return any(has_secret(field.type) for field in msgspec.structs.fields(type_))
    return type_ is Secret or any(map(has_secret, get_args(type_)))


def is_text(type_: Any) -> bool:
    return type_ == list[str] or (isinstance(type_, type) and issubclass(type_, str))


SECRETS = [path for path, type_ in every() if has_secret(type_)]
TEXTS = [
    (path, type_)
    for path, type_ in every()
    if path[0] != "routes" and not has_secret(type_) and any(map(is_text, arms(type_)))
]


def document(path: Path, written: str) -> list[str]:
    """Files that say this at that place, each in another form of TOML."""
    if path[0] == "routes":
        *_, name, key = path[3:]
        stage = f"[routes.r]\nstages = [{{ {name} = {{ {key} = {written} }} }}]\nto = ['console']\n"
        return [stage]
    if path[0] not in ("sinks", "sources"):
        return [f"[{path[0]}]\n{'.'.join(map(str, path[1:]))} = {written}\n"]
    kind, name, *keys = path
    table = {"type": name} | examples.table(kind, name)  # type: ignore[arg-type]
    table.pop(str(keys[0]), None)
    head = f"[{kind}.x]\n" + "".join(f"{key} = {toml(value)}\n" for key, value in table.items())
    head = re.sub(r"\$\{[^}]*\}", "0123456789" * 4, head)
    dotted = f"{head}{'.'.join(map(str, keys))} = {written}\n"
    if len(keys) == 1:
        return [dotted, dotted.replace(f'"{name}"', f'"{name}x"', 1)]
    inner, last = ".".join(map(str, keys[:-1])), keys[-1]
    return [
        dotted,
        f"{head}{inner} = {{ {last} = {written} }}\n",
        f"{head}[{kind}.x.{inner}]\nnonsense = 1\n{last} = {written}\n",
    ]


WRONG = [
    f'"{SECRET}"', f'["u:{SECRET}", 1]', f'{{ x = "{SECRET}" }}', f'{{ x = ["{SECRET}"] }}',
    f'{{ x = {{ y = "{SECRET}\\n" }} }}', f'{{ "a b" = "{SECRET}\\n" }}', '"${IT}"',
    f'"user:\\u0000{SECRET}é€"', f'"{SECRET * 40}\\n"', f"'''\n{SECRET}\n'''", f'"${{{SECRET}"',
    f'"ab${{{SECRET}}}"', f'"${{NO:-{SECRET}}}"', f'"x\\n{SECRET[:3]}${{IT}}"',
]  # fmt: skip
BROKEN = [
    f'"{SECRET}', f'{SECRET}"', SECRET, f'"{SECRET}" x', f'"{SECRET}\\q"', f'"""{SECRET}',
    f"'{SECRET}", f'"""\n{SECRET} \\q"""', f'["{SECRET}"\n{SECRET}', f'[\n"{SECRET}\n]',
    f'[\n  {SECRET}", "x"]', f'{{ x = "{SECRET}", }}', f'{{ x = "{SECRET}"\n}}',
    f"{{ x = {SECRET} }}", f"5 {SECRET}", f'"a" "{SECRET}"', f'"x"\n"{SECRET}', f'"x"\n{SECRET}',
    f'"""\nx = {SECRET} \\q"""', f"\n{SECRET}", f'"{SECRET}"\u0001', f'"{SECRET}\u0001"',
    f'"""\n{SECRET}=x""" y', f'"""\n[{SECRET}\n\\q"""', f"0x{SECRET}", f"2026-13-45T{SECRET}",
]  # fmt: skip
ADDRESSES = [
    "http://user:{}@host:1", "https://{}@host", "tcp://user:{}@host:99999", "user:{}@host:1",
    "ftp://u:{}@h", "http://u:a {}@h:1", "http://u:a/{}@h", "http://u:a@{}@h", "http://u:{}@[::1",
    "http://host:1/?token={}", "http://host/?a=b&x={}#y", "http://host:1/x?{}", "unix://u:{}@h",
    "http:/u/:h?token={}", 'http://u:\\"{}@h', "http://u:\\u0001{}@h",
]  # fmt: skip


def hidden(text: str) -> bool:
    """Not even a part of the secret is in it."""
    return not any(SECRET[start : start + 6] in text for start in range(len(SECRET) - 5))


def test_every_component_with_a_secret_is_among_those_that_are_tried() -> None:
    found = {".".join(map(str, path[:2])) for path in SECRETS}
    assert {"sinks.kafka", "sinks.papertrail", "sources.forward", "routes.r", "http.token"} <= found
    assert len(SECRETS) > 30
    assert len({path[:2] for path, _ in TEXTS}) >= 18


@pytest.mark.fault(113)
@pytest.mark.parametrize("written", WRONG)
def test_no_secret_is_shown_whatever_is_wrong_with_it(written: str) -> None:
    for path in SECRETS:
        for text in document(path, written):
            assert hidden(told(text, {"IT": SECRET})), text


def test_of_text_that_is_no_toml_nothing_but_keys_is_shown() -> None:
    for written in BROKEN:
        for text in document(("sinks", "elasticsearch", "auth", "password"), written):
            assert hidden(told(text)), text


def test_the_credentials_in_an_address_are_stars_in_every_setting() -> None:
    for path, type_ in TEXTS:
        is_address = re.search("url|address|endpoint|server|broker|proxy|listen", str(path[-1]))
        for form in ADDRESSES if is_address else ADDRESSES[::8]:
            written = f'"{form.format(SECRET)}"'
            text, *_ = document(path, f"[{written}]" if list[str] in arms(type_) else written)
            assert hidden(told(text)), text


FILES = [text for path in SECRETS[::4] for text in document(path, f'"{SECRET}"')]
PIECES = [
    '"',
    "'",
    '"""',
    "'''",
    "\n",
    "=",
    "[",
    "]",
    "{",
    "}",
    ",",
    "\\",
    "#",
    "${",
    " ",
    "@",
    "?",
]


@given(st.data())
@settings_of_hypothesis(max_examples=so_many(150))
def test_no_slip_of_the_hand_shows_a_secret(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(FILES))
    for _ in range(data.draw(st.integers(1, 3))):
        near = text.find(SECRET[:3]) + data.draw(st.integers(-12, len(SECRET) + 6))
        place = min(max(near, 0), len(text))
        gone = data.draw(st.integers(0, 1))
        text = text[:place] + data.draw(st.sampled_from(["", *PIECES])) + text[place + gone :]
    said = told(text).rpartition("\n")[0]  # without what a server might repeat of another secret
    assert hidden(said), text


def test_a_reference_to_a_secret_that_is_not_there_is_named() -> None:
    written = 'password = "x${file:/no/such/password}"\npattern = "${LOGS_PASSWORD}"'
    text = f'[sinks.x]\ntype = "http"\nurl = "https://a"\nauth = {{ user = "u" }}\n{written}'
    said = told(text.replace('{ user = "u" }\n', '{ user = "u", bearer = "${LOGS_TOKEN}" }\n'))
    assert "the environment variable LOGS_TOKEN is not set" in said
    assert "${LOGS_TOKEN:-default}" in said
    assert "the environment variable LOGS_PASSWORD is not set" in said
    assert '"/no/such/password" cannot be read' in said.replace("\\", "")


def test_the_default_of_a_reference_is_not_shown() -> None:
    text = f'[sinks.x]\ntype = "http"\nurl = 5\nauth = {{ bearer = "${{TOKEN:-{SECRET}}}\\n" }}'
    assert SECRET not in told(text)


def test_nor_is_it_in_the_line_of_a_value_that_is_no_secret_itself() -> None:
    assert SECRET not in told(f'[http]\nlisten = "${{NO:-{SECRET}}}"\n')


HOOK = "https://hooks.example.com/services/T01/B02/sPq9xVt7Lk3Jd8Wz5Rn1"


def sink(url: str, *more: str) -> str:
    return "\n".join(["[sinks.chat]", 'type = "http"', f'url = "{url}"', *more])


@pytest.mark.parametrize(
    "mistake",
    [
        'template = "[1"',
        "methode = 1",
        'auth = "x"',
        "tls = 3",
        "limits = { entries = 0 }",
        'success = "("',
        'headers = { "a b" = "c" }',
    ],
)
@pytest.mark.parametrize("url", [HOOK, "${HOOK}"])
def test_the_path_of_a_webhook_is_not_shown_whatever_else_is_wrong(url: str, mistake: str) -> None:
    said = told(sink(url, mistake), {"HOOK": HOOK})
    assert "sinks.chat" in said and "sPq9x" not in said and "B02" not in said


@pytest.mark.parametrize("url", ["hooks.example.com/T01/sPq9xVt7Lk3Jd8", f"{HOOK}#x", f"{HOOK}\\n"])
def test_an_address_that_is_wrong_itself_is_not_shown(url: str) -> None:
    for text, environ in ((sink(url), {}), (sink("${HOOK}"), {"HOOK": url.replace("\\n", "\n")})):
        said = told(text, environ)
        assert "sinks.chat" in said and "sPq9x" not in said


def test_the_address_of_a_webhook_in_plain_text_is_warned_of() -> None:
    assert "a secret in plain text, in an address; write ${NAME}" in told(sink(HOOK))
    for url in ("https://collector.example.com/ingest?source=docker", "${HOOK}"):
        assert "plain text" not in told(sink(url), {"HOOK": HOOK})


def test_an_error_of_one_setting_is_told_though_another_has_a_secret() -> None:
    said = told(sink("${HOOK}", """template = '{{"text": {level} {message}}}'"""), {"HOOK": HOOK})
    assert 'sinks.chat.template: this is never JSON: a "," is missing' in said
    assert "f.toml:4" in said and "^" in said


def test_what_is_wrong_with_the_form_of_a_secret_template_is_told_without_it() -> None:
    written = """template = '{{"key": "${KEY}", "text": {message}'"""
    said = told(sink("${HOOK}", written), {"HOOK": HOOK, "KEY": SECRET})
    assert "sinks.chat.template" in said and SECRET not in said
    written = """template = '{{"key": "${KEY}" "text": {message}}}'"""
    said = told(sink("${HOOK}", written), {"HOOK": HOOK, "KEY": SECRET})
    assert 'this is never JSON: a "," is missing' in said and SECRET not in said


def test_a_secret_that_breaks_the_form_of_a_template_is_not_shown() -> None:
    written = """template = '{{"key": "${KEY}"}}'"""
    for key in ('Zk9"qJ7xV_w4hT', "Zk9{qJ7xV_w4hT", "Zk9qJ7xV\\w4hT"):
        said = told(sink("${HOOK}", written), {"HOOK": HOOK, "KEY": key})
        assert "sinks.chat.template" in said and "qJ7xV" not in said and "Zk9" not in said
