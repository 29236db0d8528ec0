"""What an inspection tells of how a log is rotated."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.sources.docker.discovery.rotation import LOCAL, Rotation, read_rotation


def inspected(driver: str, **options: str) -> dict[str, Any]:
    config = {key.replace("_", "-"): value for key, value in options.items()}
    return {"HostConfig": {"LogConfig": {"Type": driver, "Config": config}}}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (inspected("json-file"), None),
        (inspected("json-file", max_size="-1"), None),
        (inspected("json-file", max_size="1m"), Rotation(1_000_000, 1)),
        (inspected("json-file", max_size="1.5k", max_file="3"), Rotation(1500, 3)),
        (inspected("json-file", max_size="10MB", max_file="3"), Rotation(10_000_000, 3)),
        (inspected("json-file", max_size="2GiB", max_file="x"), Rotation(2_000_000_000, 1)),
        (inspected("local"), LOCAL),
        (inspected("local", max_size="1m", max_file="2"), Rotation(1_000_000, 2)),
        (inspected("fluentd"), LOCAL),
        (inspected("fluentd", cache_max_size="3m", max_size="1m"), Rotation(3_000_000, 5)),
        (inspected("none"), None),
        (inspected("journald"), None),
        (inspected("k8s-file"), None),
        ({}, None),
        ({"HostConfig": None}, None),
        ({"HostConfig": {"LogConfig": {"Type": "json-file", "Config": None}}}, None),
    ],
)
def test_rotation_is_read_as_the_driver_means_it(answer: Any, expected: Rotation | None) -> None:
    assert read_rotation(answer) == expected
