"""What errors of our own may say."""

from __future__ import annotations

import pickle
import time
import weakref

import pytest

from pipeline.model.component import Payload
from pipeline.model.errors import (
    LONGEST,
    ConfigError,
    Refused,
    Unavailable,
    untraced,
    without_credentials,
)
from pipeline.testing.builders import batch


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
        ("cannot reach 'http://u:it's-p@host/x'", "cannot reach 'http://***@host/x'"),
        ("GET http://h/x?a=1&access_token=abc&b=2", "GET http://h/x?a=1&access_token=***&b=2"),
        ("bob@example.com at http://h/x?a=1", "bob@example.com at http://h/x?a=1"),
    ],
)
def test_the_credentials_of_a_url_are_stars(text: str, shown: str) -> None:
    assert without_credentials(text) == shown


def test_a_text_of_many_that_may_be_urls_takes_time_that_grows_with_it_and_no_more() -> None:
    began = time.process_time()
    for text in ("@" + "://" * 100_000, '@"x' + "://" * 100_000, '"a://' * 60_000 + "@"):
        without_credentials(text)
    assert time.process_time() - began < 2


def test_no_error_of_ours_has_any() -> None:
    for error in (Unavailable("no http://u:p@h", 3), ConfigError("no http://u:p@h", "url")):
        assert str(error) == "no http://***@h"
    assert ConfigError("no http://u:p@h" + "x" * 600).message.startswith("no http://***@h")
    assert str(pickle.loads(pickle.dumps(Unavailable("no http://u:p@h")))) == "no http://***@h"


@pytest.mark.fault(126)
def test_what_a_server_says_of_a_payload_or_an_entry_is_one_line_and_not_endless() -> None:
    """It goes to the log, to dead letters and to terminals."""
    hostile = "no\x1b[2J\r\nfake \u202e" + "x" * 10_000
    payload = Payload(None, 1, 1)
    payload.refuse(batch("a"), 0, hostile)
    for said in (str(Unavailable(hostile)), str(Refused(hostile)), payload.refused[0][2]):
        assert said.isprintable() and len(said) == LONGEST
        assert said.startswith("no [2J  fake ")


def test_an_exception_that_is_kept_lets_go_of_what_it_has_come_through() -> None:
    class Sent:
        pass

    known = []

    def fail() -> None:
        sent = Sent()
        known.append(weakref.ref(sent))
        try:
            raise OSError("cause")
        except OSError as error:
            raise ValueError("problem") from error

    try:
        fail()
    except ValueError as error:
        kept = untraced(error)
    assert known[0]() is None
    assert (str(kept), str(kept.__cause__)) == ("problem", "cause")


def test_causes_that_go_round_have_an_end() -> None:
    one, other = ValueError("one"), ValueError("other")
    one.__cause__, other.__cause__ = other, one
    assert untraced(one) is one
