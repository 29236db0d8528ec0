"""Which containers are followed, and which a route takes."""

from __future__ import annotations

import pytest

from pipeline.selection import followed, taken
from pipeline.testing.builders import container


@pytest.mark.parametrize("value", ["false", "False", "0", "no", "off"])
def test_a_label_opts_out_unless_an_expression_chooses(value: str) -> None:
    silent = container(labels={"dockline.enable": value})
    assert not followed(None)(silent)
    assert followed('name == "api-1"')(silent)
    assert not followed('name == "other"')(silent)


@pytest.mark.parametrize("labels", [{}, {"dockline.enable": "true"}, {"dockline.enable": ""}])
def test_all_others_are_followed(labels: dict[str, str]) -> None:
    assert followed(None)(container(labels=labels))


def test_a_route_takes_what_its_expression_says_and_without_one_everything() -> None:
    assert taken("all", None, by_label=False)(container())
    assert not taken("blog", 'project == "blog"', by_label=False)(container())


def test_a_label_names_a_route_only_where_the_route_allows_it() -> None:
    asking = container(labels={"dockline.route": "blog"})
    assert taken("blog", 'project == "blog"', by_label=True)(asking)
    assert not taken("blog", 'project == "blog"', by_label=False)(asking)
    assert not taken("shop", 'project == "shop"', by_label=True)(asking)
