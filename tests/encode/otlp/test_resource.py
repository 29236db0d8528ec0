"""What is told of a container."""

from __future__ import annotations

from pipeline.encode.otlp.resource import Resources
from pipeline.model.container import Container
from pipeline.testing.builders import batch, container
from pipeline.testing.hostile import BARE, ODD
from tests.encode.otlp.writing import logs
from tests.servers.otlp import plain

COMPOSE = {"com.docker.compose.project": "shop", "com.docker.compose.service": "api"}


def test_a_container_of_compose_is_a_service_of_its_project() -> None:
    of = container("shop-api-1", image="registry:5000/shop/api:1.4", labels=COMPOSE)
    request = logs(batch("x", of=of))
    assert plain(request.resource_logs[0].resource.attributes) == {
        "service.name": "api",
        "service.namespace": "shop",
        "service.instance.id": of.id,
        "container.id": of.id,
        "container.name": "shop-api-1",
        "container.runtime.name": "docker",
        "container.image.name": "registry:5000/shop/api",
        "container.image.tags": ["1.4"],
        "container.label.com.docker.compose.project": "shop",
        "container.label.com.docker.compose.service": "api",
        "host.name": "web-1",
    }


def test_a_container_by_itself_is_a_service_of_its_own_name() -> None:
    found = Resources("from-outside").of(Container("c" * 64, "redis", "redis@sha256:" + "0" * 64))
    assert found["service.name"] == "redis"
    assert found["container.image.name"] == "redis"
    assert found["host.name"] == "from-outside"
    assert not found.keys() & {"service.namespace", "container.image.tags"}


def test_a_service_always_has_a_name_and_nothing_else_is_made_up() -> None:
    found = Resources().of(Container("b" * 64, "", ""))
    assert found == {
        "service.name": "b" * 64,
        "service.instance.id": "b" * 64,
        "container.id": "b" * 64,
        "container.runtime.name": "docker",
    }


def test_what_is_no_container_has_no_runtime() -> None:
    found = Resources().of(Container("b" * 64, "cron", "", module="syslog"))
    assert "container.runtime.name" not in found


def test_labels_are_told_all_or_those_that_were_chosen() -> None:
    of = container(labels={"team": "shop", "build": "7"})
    for labels, told in ((None, {"team", "build"}), (("team", "other"), {"team"}), ((), set())):
        names = Resources(labels=labels).of(of)
        assert {f"container.label.{name}" for name in told} == {
            name for name in names if name.startswith("container.label.")
        }


def test_hostile_names_are_text() -> None:
    odd, bare = logs(batch("x", of=ODD), batch("y", of=BARE)).resource_logs
    attributes = plain(odd.resource.attributes)
    assert attributes["container.name"] == "a\nb%s\x00\ufffdé"
    assert attributes["container.label.a.b"] == "\ufffd"
    assert plain(bare.resource.attributes)["container.image.name"] == "sha256:" + "0" * 64
