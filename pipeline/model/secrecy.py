"""Hides a component's secrets in texts of others. Servers and libraries repeat passwords and tokens
in their errors, which get into the log, into dead letters and into HTTP answers."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import unquote

from msgspec import Struct, structs

from pipeline.model.errors import without_credentials
from pipeline.model.values import Secret, TemplateText

STARS: Final = "***"
"""Stands for a secret."""
ENOUGH: Final = 8
"""This many consecutive characters of a secret are hidden: they would give something away."""
SHORT: Final = 4
"""Shorter secrets are hidden only in quotation marks: every other word contains an `a`."""

_NAME: Final = re.compile(
    r"(?:.*_)?(?:nkey|password|passwd|passphrase|pwd|secret|token|credentials?|authorization|auth|cookie"
    r"|(?:api|auth|access|secret|private|shared|license|account|ingest(?:ion)?)_?key)"
)
"""Keys whose values are secret, in lower case and with `_` for `-`."""


def sounds_secret(key: str | int) -> bool:
    """Whether a key's value is probably secret: `password`, `api-key`, `SESSION_TOKEN`."""
    return isinstance(key, str) and bool(_NAME.fullmatch(key.lower().replace("-", "_")))


def starred(text: str, secrets: Iterable[str]) -> str:
    """The text with stars for every secret in it, and for larger parts of one."""
    marked = bytearray(len(text))
    for secret in secrets:
        for form in _forms(secret):
            for start, end in _found(text, form):
                marked[start:end] = b"\1" * (end - start)
    return re.sub(
        "\1+", STARS, "".join("\1" if hide else c for c, hide in zip(text, marked, strict=True))
    )


class Stars:
    """Hides the secrets of one component, and the credentials of any URL.

    It is fast for texts without secrets, as most are.
    """

    def __init__(self, config: Struct) -> None:
        """`config`: the component's configuration. Its `Secret` values are hidden, as are headers
        whose names sound secret."""
        self._secrets = sorted({one for one in _secrets(config) if one.strip()})
        forms = {form for secret in self._secrets for form in _forms(secret)}
        self._parts = [part for form in sorted(forms) for part in _parts(form)]

    def __call__(self, text: str) -> str:
        """The text with stars for the secrets and for credentials of URLs."""
        if any(part in text for part in self._parts):
            text = starred(text, self._secrets)
        return without_credentials(text)


def _secrets(value: Any, name: str = "") -> Iterator[str]:
    """All secrets of a configuration. A header is one only if its name sounds so."""
    if isinstance(value, Secret | TemplateText):
        yield from value.secrets()
    elif isinstance(value, Struct):
        table = structs.asdict(value)
        for key, inner in table.items():
            yield from _secrets(inner, key)
        if isinstance(password := table.get("password"), Secret) and table.get("user"):
            yield base64.b64encode(f"{table['user']}:{password!s}".encode()).decode()
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            if name != "headers" or sounds_secret(key):
                yield from _secrets(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _secrets(inner)


def _forms(secret: str) -> set[str]:
    """The ways in which others write a secret."""
    return {secret, unquote(secret), _on_one_line(secret)}


def _parts(secret: str) -> Iterator[str]:
    """Parts of a secret. Every text that contains the secret, or `2 * ENOUGH` characters of it,
    contains one of them."""
    if len(secret) < ENOUGH:
        yield secret
    for start in range(0, len(secret) - ENOUGH + 1, ENOUGH):
        yield secret[start : start + ENOUGH]


def _found(text: str, secret: str) -> Iterator[tuple[int, int]]:
    """Where the secret, or a larger part of it, is in the text: start and end."""
    if len(secret) < SHORT:
        for found in re.finditer(rf"(?<=[\"']){re.escape(secret)}(?=[\"'])", text):
            yield found.span()
        return
    size = min(len(secret), ENOUGH)
    for start in range(len(text) - size + 1):
        if text[start : start + size] in secret:
            yield start, start + size


def _on_one_line(text: str) -> str:
    """The text as messages quote it."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
