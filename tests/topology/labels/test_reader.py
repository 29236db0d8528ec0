"""What a container may ask for with its labels."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.model import registry
from pipeline.testing.builders import batch, container, entries
from pipeline.topology import labels
from pipeline.topology.labels import Labels, Wish, own
from pipeline.topology.labels.request import MOST_ERRORS
from pipeline.topology.labels.tags import MOST_TAGS

ROUTES = {"shop": True, "all": False}


def wish(given: dict[str, str], **options: Any) -> Wish:
    return Labels(routes=ROUTES, **options).of(container(labels=given))


def asked(found: Wish) -> list[str]:
    """The labels that ask for stages, in order."""
    return [one.label for one in found.stages]


def wrong(label: str, text: str) -> str:
    """What is said of it."""
    found = wish({label: text})
    assert found.enabled and not found.route and not found.stages
    (error,) = found.errors.values()
    assert list(found.errors) == [label]
    return error


@pytest.mark.parametrize("text", ["false", "False", "0", "no", "off"])
def test_a_container_may_opt_out(text: str) -> None:
    assert not wish({"dockline.enable": text}).enabled


@pytest.mark.parametrize("text", ["true", "1", "YES", "on"])
def test_or_say_that_it_does_not(text: str) -> None:
    found = wish({"dockline.enable": text})
    assert found.enabled and not found.errors


def test_labels_of_others_are_not_looked_at() -> None:
    assert wish({"docklines.parse": "x", "com.docker.compose.project": "shop"}) is labels.NOTHING


def test_a_route_that_wants_to_may_be_chosen() -> None:
    assert wish({"dockline.route": "shop"}).route == "shop"


@pytest.mark.parametrize(
    ("label", "text", "said"),
    [
        ("dockline.enable", "flase", '"flase" is neither "true" nor "false"'),
        ("dockline.route", "shpo", 'there is no route "shpo"; did you mean "shop"?'),
        ("dockline.route", "nowhere\n", 'there is no route "nowhere\\n"'),
        ("dockline.route", "all", "it has no `labels = true`"),
        ("dockline.parse", "jsno", '"jsno" is not understood; did you mean "json"?'),
        ("dockline.parse", "JSON", 'did you mean "json"?'),
        ("dockline.parse", "", "known: "),
        ("dockline.prase", "json", "did you mean dockline.parse?"),
        ("dockline.parse.x", "json", "did you mean dockline.parse?"),
        ("dockline.tags.team", "shop", "did you mean dockline.tag.team?"),
        ("dockline.tag", "shop", "as in dockline.tag.team"),
        ("dockline.colour", "red", "known: dockline.enable, "),
        ("dockline.", "", "known: dockline.enable, "),
        ("dockline.tag.a b", "x", "is no name of a field"),
        ("dockline.tag.a..b", "x", "is no name of a field"),
        ("dockline.tag.container.x", "x", '"container" is a name that dockline uses in its output'),
        ("dockline.tag.a", "x" * 257, "at most 256 characters"),
        ("dockline.tag.a", "two\nlines", "one line"),
        ("dockline.tag.a", "\udc80", "one line"),
        ("dockline.join", "pyhton", 'did you mean "python"?'),
        ("dockline.join", "^(a+)+$", "would take for ever"),
        ("dockline.join", "^.*a.*b", "takes too long on some lines"),
        ("dockline.join", "^(?<n>a)", "a named group is written (?P<n>…)"),
        ("dockline.join", "^" + "a" * 256, "longer than 128 characters"),
        ("dockline.level", "error", 'write "auto", and in dockline.level.default'),
        ("dockline.level.default", "eror", '"eror" is no level; did you mean "error"?'),
        ("dockline.level.min", "error", "known: dockline.level, .from and .default"),
        ("dockline.level.from", "x" * 257, "at most 256 characters"),
        ("dockline.sample", "0", "neither a number such as"),
        ("dockline.sample", "-1", "neither a number such as"),
        ("dockline.sample", "1.5", "neither a number such as"),
        ("dockline.sample", "nan", "neither a number such as"),
        ("dockline.sample", "inf", "neither a number such as"),
        ("dockline.sample", "101%", "neither a number such as"),
        ("dockline.sample", "\u0661", "neither a number such as"),
        ("dockline.sample", "9" * 5000, "neither a number such as"),
        ("dockline.throttle", "100", 'write it like "100/s"'),
        ("dockline.throttle", "0/s", 'write it like "100/s"'),
        ("dockline.throttle", "9" * 500 + "/s", 'write it like "100/s"'),
        ("dockline.throttle", "1/" + "9" * 50 + "d", 'write it like "100/s"'),
    ],
)
def test_what_is_wrong_is_said_with_what_was_meant_and_counts_for_nothing(
    label: str, text: str, said: str
) -> None:
    assert said in wrong(label, text)


def test_all_that_is_right_counts_beside_what_is_wrong() -> None:
    found = wish({"dockline.parse": "json", "dockline.tag.team": "shop", "dockline.x": "y"})
    assert asked(found) == ["dockline.parse", "dockline.tag"]
    assert list(found.errors) == ["dockline.x"]


def test_lines_are_joined_by_any_word_that_the_stage_knows() -> None:
    words = own._words(registry.config_type("stages", "join"))
    assert "java" in words and "indent" in words
    for word in words:
        found = wish({"dockline.join": word, "dockline.parse": "json"})
        assert asked(found) == ["dockline.join", "dockline.parse"]
    assert 'a pattern that begins with "^"' in wrong("dockline.join", "?")


def test_stages_run_in_one_order_whatever_that_of_the_labels() -> None:
    given = {
        "dockline.throttle": "100/s",
        "dockline.tag.team": "shop",
        "dockline.sample": "10",
        "dockline.level": "auto",
        "dockline.parse": "json",
        "dockline.join": "java",
    }
    for some in (given, dict(reversed(given.items()))):
        assert [(one.label.removeprefix("dockline."), one.does) for one in wish(some).stages] == [
            ("join", "hold"),
            ("parse", "change"),
            ("level", "change"),
            ("tag", "change"),
            ("sample", "drop"),
            ("throttle", "drop"),
        ]


def test_what_the_operator_does_not_honour_counts_for_nothing() -> None:
    given = {"dockline.enable": "false", "dockline.parse": "json", "dockline.tag.team": "shop"}
    assert wish(given, honour=()) is labels.NOTHING
    assert wish(given, honours=lambda one: one.name == "other") is labels.NOTHING
    found = wish(given, honour=["tag"])
    assert found.enabled and asked(found) == ["dockline.tag"] and not found.errors


def test_labels_without_end_are_bounded() -> None:
    given = {f"dockline.tag.t{number}": "x" for number in range(1000)}
    given |= {f"dockline.{'u' * 1000}{number}": "x" for number in range(1000)}
    found = wish(given)
    assert found.tags is not None
    (row,) = entries(found.tags(batch("one")))
    assert len(row.fields) == MOST_TAGS
    assert len(found.errors) <= MOST_ERRORS
    assert all(len(label) <= 64 for label in found.errors)
