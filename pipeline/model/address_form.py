"""How a sink is written in one line, such as `syslog+tls://logs.example.com?format=rfc3164`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class AddressForm:
    """What becomes of the parts of an address: `SCHEME://USER:PASSWORD@HOST:PORT/PATH?OPTION=VALUE`.

    A sink declares its forms in `SinkConfig.address_forms`. Options of the sink are written as in
    its table, with dots: `auth.user`. The query is the same for all sinks: it has more options.
    """

    schemes: Mapping[str, str] = field(default_factory=lambda: {"": ""})
    """What may stand before `://`, each with how the value of `to` begins then.

    `""` is the sink's type, `"+tls"` is that with `+tls`, and any other stands by itself.
    """
    to: str = ""
    """The option that gets the address; without it, none may be written, as in `console://`."""
    many: bool = False
    """Whether there may be several hosts, with commas between them; `to` is an array then."""
    local: bool = False
    """Whether the address is a path on this host, as in `file:///var/log/containers.json`."""
    path: tuple[str, ...] = ()
    """The options that get one part of the path each, the last all that is left. One with a slash
    before its name gets the slash as well. Without any, the path belongs to the address."""
    number: str = ""
    """The option that gets the first part of the path, if that is a number."""
    login: tuple[str, str] | None = None
    """The options that get user and password; None if there may be none."""
    adds: Mapping[str, Any] = field(default_factory=dict)
    """Options that follow from the scheme."""
    keeps_query: bool = False
    """Whether the parts of the query that are no options belong to the address."""
    example: str
    """An address in this form, without a query."""


HTTP = {"+http": "http://", "+https": "https://"}
"""The schemes of a sink over HTTP."""
AUTH = ("auth.user", "auth.password")
"""The login of a sink over HTTP."""
