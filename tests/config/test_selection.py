"""Which containers are followed, and which a route takes."""

from __future__ import annotations

import pytest

from pipeline.config.file import parse
from pipeline.config.selection import Selection
from pipeline.testing.builders import container

ROUTES = """\
[routes.shop]
containers = 'project == "shop"'
labels = true
to = ["console"]
[routes.all]
to = ["console"]
[routes.blog]
containers = 'project == "blog"'
to = ["console"]
"""


def selection(more: str = "") -> Selection:
    return Selection(parse(more + ROUTES, {}).config)


@pytest.mark.parametrize("value", ["false", "False", "0", "no", "off"])
def test_a_label_opts_out_unless_an_expression_chooses(value: str) -> None:
    silent = container(labels={"dockline.enable": value})
    assert not selection().follows(silent)
    assert selection("[logs]\ncontainers = 'name == \"api-1\"'\n").follows(silent)
    assert not selection("[logs]\ncontainers = 'name == \"x\"'\n").follows(silent)


@pytest.mark.parametrize("labels", [{}, {"dockline.enable": "true"}, {"dockline.enable": ""}])
def test_all_others_are_followed(labels: dict[str, str]) -> None:
    assert selection().follows(container(labels=labels))


def test_labels_do_not_count_where_they_are_not_honoured() -> None:
    labels = {"dockline.enable": "false", "dockline.route": "shop"}
    off = selection('[labels]\nhonour = "off"\n')
    assert off.follows(container(labels=labels))
    assert not off.takes("shop")(container(labels=labels))
    others = selection("[labels]\ncontainers = 'name == \"x\"'\n")
    assert others.follows(container(labels=labels))


def test_a_route_takes_what_its_expression_says_and_without_one_everything() -> None:
    assert selection().takes("all")(container())
    assert not selection().takes("blog")(container())


def test_a_label_names_a_route_only_where_the_route_allows_it() -> None:
    assert selection().takes("shop")(container(labels={"dockline.route": "shop"}))
    assert not selection().takes("blog")(container(labels={"dockline.route": "blog"}))
    assert not selection().takes("shop")(container(labels={"dockline.route": "blog"}))
