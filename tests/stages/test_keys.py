"""Keys of entries, and what is remembered of the last ones."""

from __future__ import annotations

import pytest

from pipeline.model.errors import ConfigError
from pipeline.stages._keys import LONGEST, Recent, compile_key, digest
from pipeline.testing.builders import batch


def test_a_key_is_what_the_template_gives_and_long_ones_are_digests() -> None:
    whole = batch("", "", "", fields=[{"a": "x"}, {}, {"a": "y" * 10**6}])
    assert compile_key("<{a}>")(whole)[:2] == ["<x>", "<>"]
    (long,) = compile_key("<{a}>")(whole)[2:]
    assert long == digest(f"<{'y' * 10**6}>")
    assert len(long) <= LONGEST


def test_digests_do_not_change_and_take_any_text() -> None:
    assert digest("a") == "27c35e6e9373877f29e562464e46497e"
    assert len({digest("\ud800"), digest(""), digest("é")}) == 3


def test_a_wrong_template_is_refused_under_its_own_name() -> None:
    with pytest.raises(ConfigError) as caught:
        compile_key("{a", "labels.path")
    assert (caught.value.path, caught.value.column) == ("labels.path", 0)


def test_the_most_recently_used_are_remembered() -> None:
    recent: Recent[list[str]] = Recent(2, list)
    first, _ = recent.get("a"), recent.get("b")
    first.append("x")
    assert recent.get("a") is first
    recent.get("c")
    assert recent.get("a") == ["x"]
    assert len(recent) == 2
    recent.get("b")
    recent.get("c")
    assert recent.get("a") == []
