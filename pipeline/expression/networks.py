"""Tests whether an IP address is in one of several networks."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from pipeline.model.errors import ConfigError

_REMEMBERED = 4096
"""Addresses that are cached for each use of `ip_in`; parsing one takes 2 µs."""


def compile_networks(texts: tuple[str, ...]) -> Callable[[Any], bool]:
    """A function that says whether a value is an address in one of these networks.

    It takes any value, and is false for one that is not an address as text. `::ffff:10.0.0.1`
    counts as `10.0.0.1`. Raises `ConfigError` for a text that is neither a network nor an address.
    """
    networks = []
    for text in texts:
        try:
            networks.append(ip_network(text))
        except ValueError as error:
            raise ConfigError(f"this is not a network such as 10.0.0.0/8: {error}") from None

    @lru_cache(_REMEMBERED)
    def known(text: str) -> bool:
        address = _address(text)
        return address is not None and any(address in network for network in networks)

    def ip_in(value: Any) -> bool:
        return type(value) is str and known(value)

    return ip_in


def _address(text: str) -> IPv4Address | IPv6Address | None:
    if len(text) > 64:  # the longest address has 45 characters, and a scope id
        return None
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
