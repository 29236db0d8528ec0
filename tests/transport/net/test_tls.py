"""TLS is set up from the files that the configuration names, or says which of them is wrong."""

import ssl
import subprocess
from pathlib import Path

import pytest

from pipeline.model.component import TLSConfig
from pipeline.model.errors import ConfigError, Unavailable
from pipeline.transport.net.address import Address
from pipeline.transport.net.tls import client_context, tls_of
from tests.servers.certificates import Authority


def test_the_peer_and_its_name_are_always_verified() -> None:
    context = client_context(TLSConfig())
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_an_authority_that_is_given_replaces_those_of_the_system(authority: Authority) -> None:
    assert len(client_context(TLSConfig(ca=authority.ca)).get_ca_certs()) == 1


def test_a_file_that_is_missing_or_no_certificate_is_named(
    tmp_path: Path, authority: Authority
) -> None:
    junk, own = tmp_path / "junk.pem", authority.issue("own")
    junk.write_text("junk")
    other = authority.issue("stranger")
    for config, says in [
        (TLSConfig(ca="/nowhere/ca.pem"), "tls.ca: there is no file /nowhere/ca.pem"),
        (TLSConfig(ca=str(junk)), f"tls.ca: {junk} cannot be used"),
        (TLSConfig(cert=own.cert, key="/nowhere/key"), "there is no file /nowhere/key"),
        (TLSConfig(cert=own.cert, key=other.key), "that belong together"),
        (TLSConfig(cert=str(junk), key=own.key), f"tls.cert: {junk} and {own.key}"),
    ]:
        with pytest.raises(Unavailable) as caught:
            client_context(config)
        assert says in str(caught.value)


@pytest.mark.server
def test_an_encrypted_key_is_an_error_and_not_a_prompt(
    tmp_path: Path, authority: Authority
) -> None:
    own, locked = authority.issue("own"), tmp_path / "locked.key"
    command = ["openssl", "pkey", "-in", own.key, "-aes128", "-passout", "pass:secret"]
    subprocess.run([*command, "-out", str(locked)], check=True)
    with pytest.raises(Unavailable, match="expected unencrypted PEM files"):
        client_context(TLSConfig(cert=own.cert, key=str(locked)))


def test_a_scheme_with_tls_has_it_with_or_without_a_table() -> None:
    assert tls_of(Address("tls", "x", 1), None) == TLSConfig()
    assert tls_of(Address("lumberjack+tls", "x", 1), TLSConfig(ca="c")) == TLSConfig(ca="c")
    assert tls_of(Address("tcp", "x", 1), None) is None


def test_a_table_without_a_scheme_for_it_is_an_error() -> None:
    with pytest.raises(ConfigError, match="tcp:// is not encrypted"):
        tls_of(Address("tcp", "x", 1), TLSConfig())
