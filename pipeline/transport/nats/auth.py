"""Who a client of NATS is: what may be configured, and what is read from files for it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec

from pipeline.model.component import Secret
from pipeline.model.errors import ConfigError, Unavailable
from pipeline.model.extras import needed


class NatsAuth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who we are to the NATS servers: one of these ways."""

    user: Annotated[str, msgspec.Meta(examples=["agent"])] = ""
    """Name of a user, with `password`."""
    password: Annotated[Secret, msgspec.Meta(examples=["${file:/run/secrets/nats}"])] = Secret("")
    """The user's password."""
    token: Annotated[Secret, msgspec.Meta(examples=["${NATS_TOKEN}"])] = Secret("")
    """A token that the servers know."""
    nkey: Annotated[str | None, msgspec.Meta(examples=["/run/secrets/agent.nk"])] = None
    """File with the seed of an NKey (`SU…`)."""
    credentials: Annotated[str | None, msgspec.Meta(examples=["/run/secrets/agent.creds"])] = None
    """File with a user's JWT and the seed of its NKey, as `nsc` writes it."""


def checked(auth: NatsAuth) -> NatsAuth:
    """Returns `auth`. Raises `ConfigError` where it says two ways, or a package for one is
    missing."""
    ways = [name for name in ("user", "token", "nkey", "credentials") if getattr(auth, name)]
    if len(ways) > 1:
        raise ConfigError(f"{ways[0]} and {ways[1]} exclude each other", path=f"auth.{ways[1]}")
    if auth.password and not auth.user:
        raise ConfigError("a password has no meaning without its user", path="auth.password")
    if ways and ways[0] in ("nkey", "credentials"):
        try:
            needed("nkeys", "nats", f"auth.{ways[0]}")
        except ConfigError as error:
            raise ConfigError(error.message, path=f"auth.{ways[0]}") from None
    return auth


def connect_options(auth: NatsAuth) -> dict[str, Any]:
    """What nats-py's `connect` is to be told. Reads files, so it blocks. Raises `Unavailable`."""
    from nats.aio.client import RawCredentials

    options: dict[str, Any] = {}
    if auth.user:
        options |= {"user": auth.user, "password": str(auth.password)}
    if auth.token:
        options["token"] = str(auth.token)
    if auth.nkey is not None:
        options["nkeys_seed_str"] = _seed(auth.nkey)
    if auth.credentials is not None:
        options["user_credentials"] = RawCredentials(_credentials(auth.credentials))
    return options


def _seed(path: str) -> str:
    seed = _read(path, "nkey").strip()
    if not seed.startswith("SU"):
        raise Unavailable(f"auth.nkey: {path} has no seed of a user in it, which begins with SU")
    return seed


def _credentials(path: str) -> str:
    text = _read(path, "credentials")
    if "BEGIN NATS USER JWT" not in text or "BEGIN USER NKEY SEED" not in text:
        raise Unavailable(f"auth.credentials: {path} is not a file as nsc writes it")
    return text


def _read(path: str, key: str) -> str:
    try:
        return Path(path).read_text("utf-8")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is not text"
        raise Unavailable(f"auth.{key}: {path} cannot be read: {why}") from error
