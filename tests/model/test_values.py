"""Values that TOML does not have."""

from __future__ import annotations

import pytest

from pipeline.model.values import SecretURL, TemplateText

HOOK = "https://hooks.example.com/services/T01/B02/sPq9"


@pytest.mark.parametrize(
    ("url", "secrets"),
    [
        (HOOK, ("services/T01/B02/sPq9",)),
        ("https://flow.example.com:443/a?sp=%2Ft&sig=aB-c", ("/a", "sp=%2Ft&sig=aB-c")),
        ("https://store.example.com/logs/", ("/logs",)),
        ("https://store.example.com/", ()),
        ("https://store.example.com", ()),
        ("not a url", ("not a url",)),
        ("https://h/a/0123456789abcdef/b", ("a/0123456789abcdef/b", "0123456789abcdef")),
    ],
)
def test_path_and_query_of_a_secret_url_are_hidden(url: str, secrets: tuple[str, ...]) -> None:
    assert SecretURL(url).secrets() == secrets
    assert "example" not in repr(SecretURL(url))


def test_what_nobody_would_type_looks_secret() -> None:
    token = "4fT7xK0aQ2mN9vB1cD3eF5gH"
    for url in (
        f"https://h/services/{token}",
        f"https://h/a?sig={token}",
        f"https://h/a/{token}/b",
    ):
        assert SecretURL(url).looks_secret
    for url in ("https://h/ingest?source=docker", "https://h/api/v2/logs", f"https://{token}.h/"):
        assert not SecretURL(url).looks_secret


def test_of_a_template_what_came_from_the_environment_is_hidden() -> None:
    assert TemplateText("{message}").secrets() == ()
    filled = TemplateText.filled('{{"key": "s3cr3t"}}', ["s3cr3t", ""])
    assert filled == '{{"key": "s3cr3t"}}' and filled.secrets() == ("s3cr3t",)
    assert "s3cr3t" not in repr(filled) and repr(TemplateText("a")) == "'a'"
