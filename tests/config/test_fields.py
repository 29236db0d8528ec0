"""What a Struct says about its fields."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from msgspec import Meta, Struct, field

from pipeline.config import examples
from pipeline.config.fields import descriptions, fields, paragraphs
from pipeline.config.settings import Config
from pipeline.config.wording import arms, is_struct
from pipeline.model import registry


class Base(Struct, frozen=True, kw_only=True):
    common: int = 1
    """Said by the base."""
    changed: int = 1
    """Said by the base, and
    in two lines.

    And two paragraphs."""


class Derived(Base, frozen=True, kw_only=True):
    from_: Annotated[str, Meta(examples=["a", "b"])] = field(name="from")
    """Said by the derived."""
    silent: list[str] = []
    changed: int = 2


def test_fields_have_what_the_source_says_own_ones_first() -> None:
    found = {one.key: one for one in fields(Derived)}
    assert list(found) == ["from", "silent", "changed", "common"] or list(found)[-1] == "common"
    assert (found["from"].required, found["from"].examples) == (True, ["a", "b"])
    assert found["from"].description == "Said by the derived."
    assert (found["silent"].default, found["silent"].description) == ([], "")
    assert found["common"].inherited
    assert not found["changed"].inherited
    assert found["changed"].default == 2
    assert (
        found["changed"].description == "Said by the base, and in two lines.\n\nAnd two paragraphs."
    )


def test_descriptions_are_a_classs_own() -> None:
    assert descriptions(Derived) == {"from_": "Said by the derived."}


def test_lists_and_code_keep_their_lines() -> None:
    text = """One
    line.

        code = 1
        more = 2

    - first
    - second

    ```toml
    [a]

    b = 1
    ```

    The
    end.
    """
    assert paragraphs(text).split("\n\n") == [
        "One line.",
        "    code = 1\n    more = 2",
        "- first\n- second",
        "```toml\n[a]",
        "b = 1\n```",
        "The end.",
    ]


def _tables(type_: Any) -> set[Any]:
    found = {type_}
    for one in fields(type_):
        for arm in arms(one.type):
            if is_struct(arm):
                found |= _tables(arm)
    return found


SINKS = [registry.config_type("sinks", name) for name in registry.names("sinks")]
STAGES = [
    arm
    for name in registry.names("stages")
    for arm in arms(registry.config_type("stages", name))
    if is_struct(arm)
]
SOURCES = [registry.config_type("sources", name) for name in registry.names("sources")]
TABLES = sorted(set().union(*map(_tables, [Config, *SOURCES, *SINKS, *STAGES])), key=repr)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: f"{table.__module__}.{table.__name__}")
def test_every_key_is_described_and_has_a_default_or_an_example(table: Any) -> None:
    _, kind, name, *_ = f"{table.__module__}...".split(".")
    documented = examples.table(kind, name) if kind in ("sources", "sinks") else {}
    for one in fields(table):
        if not is_struct(type(one.default)):
            assert one.description, f"{one.key} has no description"
        if one.required and one.key != "type":
            assert one.examples or one.key in documented, f"{one.key} has no example"
