"""What errors of our own may say."""

from __future__ import annotations

import pickle

import pytest

from pipeline.errors import ConfigError, Unavailable, without_credentials


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://u:p@host:1/x refused", "http://***@host:1/x refused"),
        ('"http://u:p p@host" is no URL', '"http://***@host" is no URL'),
        (
            "two: nats://t@a,nats://b and amqp://u:p@c",
            "two: nats://***@a,nats://b and amqp://***@c",
        ),
        ("http://u:p@x@host", "http://***@host"),
        ("GET http://h/x?a=1&access_token=abc&b=2", "GET http://h/x?a=1&access_token=***&b=2"),
        ("bob@example.com at http://h/x?a=1", "bob@example.com at http://h/x?a=1"),
    ],
)
def test_the_credentials_of_a_url_are_stars(text: str, shown: str) -> None:
    assert without_credentials(text) == shown


def test_no_error_of_ours_has_any() -> None:
    for error in (Unavailable("no http://u:p@h", 3), ConfigError("no http://u:p@h", "url")):
        assert str(error) == "no http://***@h"
    assert ConfigError("no http://u:p@h" + "x" * 600).message.startswith("no http://***@h")
    assert str(pickle.loads(pickle.dumps(Unavailable("no http://u:p@h")))) == "no http://***@h"
