"""Subjects of NATS by template."""

from __future__ import annotations

import pytest

from pipeline.encode.nats.subject import LONGEST_TOKEN, Subjects
from pipeline.model.errors import ConfigError
from pipeline.testing.builders import batch, container

LABELS = {"com.docker.compose.project": "shop", "com.docker.compose.service": "api", "team": "a b"}


@pytest.mark.parametrize(
    ("template", "subject", "takes"),
    [
        ("logs", "logs", "logs"),
        ("logs.{container.name}", "logs.shop_api_1", "logs.>"),
        ("a.b-{source}.{route}", "a.b-logs.all", "a.>"),
        ("d.{partition}.{container.id}", f"d.13.{1:064x}", "d.>"),
        ("d.{container.image}", "d.shop_api_1_4", "d.>"),
        ("d.{container.project}.{container.service}", "d.shop.api", "d.>"),
        ('d.{container.host}.{ container.labels["team"] }', "d.web-1.a_b", "d.>"),
        ("d.{container.labels['none']}", "d._", "d.>"),
    ],
)
def test_a_subject_is_made_of_what_is_known_of_a_batch(
    template: str, subject: str, takes: str
) -> None:
    subjects = Subjects(template, partitions=16)
    it = container("shop.api*1", labels=LABELS)
    assert subjects.of(batch("x", of=it, route="all")) == subject
    assert subjects.takes == takes


def test_a_container_that_does_not_tell_its_host_has_that_of_the_agent() -> None:
    subjects = Subjects("d.{container.host}", partitions=1, host="here.local")
    assert subjects.of(batch("x", of=container(host=""))) == "d.here_local"


@pytest.mark.fault(101)
def test_a_value_never_changes_what_a_subject_means() -> None:
    hostile = container("a.>.*\r\nPUB x 0\u2603\udcff" + "n" * 1000)
    subject = Subjects("d.{container.name}", partitions=1).of(batch("x", of=hostile))
    first, token = subject.split(".")
    assert first == "d" and len(token) == LONGEST_TOKEN
    assert token.startswith("a______PUB_x_0__nnn")


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("", "a subject is like"),
        ("d.{container.nam}", r'"\{container.nam\}" is not known here; known are'),
        ("d.{", "a subject is like"),
        ("d.}", "a subject is like"),
        ("d..x", "no empty part"),
        (".d", "no empty part"),
        ("$JS.API.x", "does not begin with"),
        ("d.*", "cannot be in a subject"),
        ("d x", "cannot be in a subject"),
        ("d" * 600, "512 characters at most"),
    ],
)
def test_a_template_that_is_none_is_told(template: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        Subjects(template, partitions=16)
    assert caught.value.path == "subject"


def test_one_that_would_take_everything_needs_the_streams_subjects() -> None:
    with pytest.raises(ConfigError, match=r"stream\.subjects has to be set"):
        _ = Subjects("{source}.x", partitions=16).takes
