"""Secrets of a component in what others say."""

from __future__ import annotations

import base64

import pytest

from pipeline.model.component import Secret, SecretURL, TemplateText
from pipeline.model.secrecy import Stars, sounds_secret
from pipeline.sinks.http import Config
from pipeline.transport.http import AuthConfig

STARS = Stars(
    Config(
        type="http",
        url=SecretURL("http://store/services/T01/B0000000002/sPq9xVt7?sig=aB%2Bc_d-e%3Dfg"),
        template=TemplateText.filled('{{"routing_key": "k3y-of-8"}}', ["k3y-of-8"]),
        auth=AuthConfig(user="me", password=Secret("correct horse battery")),
        headers={"X-Api-Key": Secret("k3y"), "Accept": Secret("application/json")},
    )
)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("401: who is me:correct horse battery?", "401: who is me:***?"),
        ("Basic " + base64.b64encode(b"me:correct horse battery").decode(), "Basic ***"),
        ("it begins with correct horse ba…", "it begins with ***…"),
        ('no such key "k3y"', 'no such key "***"'),
        ("Cannot POST /services/T01/B0000000002/sPq9xVt7", "Cannot POST /***"),
        ("no_service: B0000000002", "no_service: ***"),
        (
            "http://store answers 403: sig aB+c_d-e=fg is wrong",
            "http://store answers 403: sig *** is wrong",
        ),
        ('{"routing_key": "k3y-of-8"} is not valid', '{"routing_key": "***"} is not valid'),
        ("415: application/json is not taken by me", "415: application/json is not taken by me"),
    ],
)
def test_every_secret_of_a_configuration_is_stars_and_all_else_is_as_it_was(
    said: str, shown: str
) -> None:
    assert STARS(said) == shown


def test_names_of_secrets_are_told_from_others() -> None:
    for name in ("password", "api-key", "SESSION_TOKEN", "X-Auth-Token", "nkey", "Authorization"):
        assert sounds_secret(name)
    for name in ("key", "user", "passed", "tokens_seen", "Content-Type", 3):
        assert not sounds_secret(name)
