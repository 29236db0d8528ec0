"""Why an expression about a container is false."""

from __future__ import annotations

import pytest

from pipeline.expression.explanation import Part, why_false
from pipeline.model.errors import ConfigError
from pipeline.testing.builders import container

PROJECT = 'labels["com.docker.compose.project"]'
BLOG = container("web-1", labels={"com.docker.compose.project": "blog"})


def texts(expression: str) -> list[str]:
    return [part.text for part in why_false(expression, BLOG)]


def test_a_false_comparison_is_shown_with_the_values_of_its_names() -> None:
    assert why_false(f'{PROJECT} == "shop"', BLOG) == [
        Part(f'{PROJECT} == "shop"', {PROJECT: "blog"})
    ]


def test_of_and_only_what_is_false_is_shown_and_of_or_both() -> None:
    assert texts('name == "web-1" and project == "shop"') == ['project == "shop"']
    assert texts('name == "a" or name == "b" and project == "blog"') == [
        'name == "a"',
        'name == "b"',
    ]


def test_what_is_negated_is_shown_whole() -> None:
    assert why_false('not (name == "web-1" and project in ("blog", "shop"))', BLOG) == [
        Part(
            'not (name == "web-1" and project in ("blog", "shop"))',
            {"name": "web-1", "project": "blog"},
        )
    ]


def test_names_are_found_in_calls_and_an_absent_label_is_empty() -> None:
    assert why_false('name.startswith("api") or matches(labels["tier"], "^front")', BLOG) == [
        Part('name.startswith("api")', {"name": "web-1"}),
        Part('matches(labels["tier"], "^front")', {'labels["tier"]': ""}),
    ]
    assert why_false('"x" in lower(name)', BLOG) == [Part('"x" in lower(name)', {"name": "web-1"})]


def test_an_expression_is_explained_for_one_container_after_another() -> None:
    expression = 'name == "a" and project == "shop"'
    for name in ("b", "c", "b"):
        (part, _) = why_false(expression, container(name))
        assert part == Part('name == "a"', {"name": name})


def test_several_lines_are_shown_on_one() -> None:
    assert texts('(\n  name\n    == "ä"\n  or 1 > 2\n)') == ['name == "ä"', "1 > 2"]


@pytest.mark.parametrize("expression", ['project == "blog"', 'name == "x" or service == ""'])
def test_there_is_nothing_to_say_where_it_is_true(expression: str) -> None:
    assert why_false(expression, BLOG) == []


def test_what_is_no_expression_is_refused() -> None:
    with pytest.raises(ConfigError):
        why_false("name =", BLOG)
