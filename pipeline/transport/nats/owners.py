"""Names of processes that share a stream, as they stand in its leases: a host's name and a part
that no other process has."""

from __future__ import annotations

import re
import secrets
from typing import Final

_LONGEST: Final = 64
"""Characters of a host's name that are kept; Linux has no longer ones."""
_UNCLEAN: Final = re.compile(r"[^A-Za-z0-9_:-]")
_OWNER: Final = re.compile(rf"([A-Za-z0-9_:-]{{1,{_LONGEST}}})-[0-9a-f]{{16}}")


def owner_of(host: str) -> str:
    """A name for a process of `host`, unlike all others. It may be a token of a subject: dots
    become colons, and whatever else a host's name should not have becomes `_`."""
    name = _UNCLEAN.sub("_", host.replace(".", ":")[:_LONGEST])
    return f"{name}-{secrets.token_hex(8)}" if name else secrets.token_hex(8)


def host_of(owner: str) -> str:
    """The host's name in an owner; empty if it has none, as those of earlier versions."""
    found = _OWNER.fullmatch(owner)
    return found[1].replace(":", ".") if found else ""
