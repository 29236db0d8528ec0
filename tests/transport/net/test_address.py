"""Addresses are read as users write them."""

import pytest

from pipeline.model.errors import ConfigError
from pipeline.transport.net.address import parse, peer_name

PORTS = {"tcp": 514, "tls": 6514, "raw": None}


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("host", "tcp://host:514"),
        ("host:1", "tcp://host:1"),
        ("tls://host.example", "tls://host.example:6514"),
        ("tls://host/", "tls://host:6514"),
        ("raw://10.0.0.1:65535", "raw://10.0.0.1:65535"),
        ("[::1]", "tcp://[::1]:514"),
        ("tls://[fe80::1%eth0]:99", "tls://[fe80::1%eth0]:99"),
    ],
)
def test_an_address_is_a_scheme_a_host_and_a_port(text: str, address: str) -> None:
    assert str(parse(text, PORTS, "tcp")) == address


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", '"" is not an address'),
        ("a b:1", "is not an address"),
        ("tcp://", "is not an address"),
        ("tcp://host:port", "is not an address"),
        ("tcp://user@host:1", "has no user and no password"),
        ("::1", "is not an address"),
        ("http://host", "known are tcp://, tls://, raw://"),
        ("raw://host", 'write it like "raw://host:1234"'),
        ("host:0", "there is no port 0"),
        ("host:65536", "there is no port 65536"),
    ],
)
def test_anything_else_is_an_error_of_the_key_address(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, PORTS, "tcp")
    assert says in str(caught.value)
    assert caught.value.path == "address"


def test_a_socket_of_this_host_is_its_path() -> None:
    ports = {"tcp": 514, "unix": None}
    address = parse("unix:///run/some peer.sock", ports, "tcp")
    assert (address.scheme, address.host) == ("unix", "/run/some peer.sock")
    assert str(address) == "unix:///run/some peer.sock"
    with pytest.raises(ConfigError, match="no absolute path"):
        parse("unix://peer.sock", ports, "tcp")


@pytest.mark.parametrize(
    ("peer", "name"),
    [
        ("127.0.0.1", "here"),
        ("::1", "here"),
        ("10.0.0.5", "10.0.0.5"),
        ("fe80::1%eth0", "fe80::1%eth0"),
    ],
)
def test_a_peer_on_this_host_has_its_name_and_others_their_address(peer: str, name: str) -> None:
    assert peer_name(peer, "here") == name
    assert peer_name(peer, "") == peer
