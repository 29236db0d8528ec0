"""What went wrong with a connection, as one sentence that says what to do about it."""

from __future__ import annotations

import errno
import os
import re
import socket
import ssl

from pipeline.model.errors import Unavailable
from pipeline.transport.net.address import Address

SHOWN = 300
"""Characters of what a peer said that are shown."""

_EXPIRED, _NOT_YET = 10, 9
_UNTRUSTED = (2, 18, 19, 20, 21)
_WRONG_NAME = (62, 64)
"""X509_V_ERR_*, from OpenSSL's x509_vfy.h."""


def unavailable(address: Address, error: BaseException) -> Unavailable:
    """The error to raise where a socket, a name look-up or TLS raised `error`: `address` and
    `sentence`."""
    return Unavailable(f"{address} {sentence(address, error)}")


def sentence(address: Address, error: BaseException) -> str:
    """What went wrong with the connection to `address`, and what to do about it, to go on after the
    address: `refused the connection: nothing listens there, …`. `error` is what a socket, a name
    look-up or TLS raised."""
    if isinstance(error, ssl.SSLError):
        return _tls(address, error)
    if isinstance(error, socket.gaierror):
        return (
            f'cannot be resolved: there is no address for the name "{address.host}" '
            f"({error.strerror}); check its spelling and the DNS of this host"
        )
    if isinstance(error, ConnectionRefusedError):
        return (
            "refused the connection: nothing listens there, or a firewall forbids it; "
            "check the address and that the server runs"
        )
    if isinstance(error, (ConnectionResetError, BrokenPipeError, ConnectionAbortedError)):
        return "closed the connection; its own log may say why"
    if isinstance(error, TimeoutError):  # also ETIMEDOUT
        return "does not answer; check the address, the network and firewalls between"
    if isinstance(error, OSError) and error.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH):
        return "cannot be reached from here: there is no route to it; check the network"
    if isinstance(error, OSError) and error.errno:
        return f"cannot be used: {os.strerror(error.errno)}"
    return f"cannot be used: {error or type(error).__name__}"


def _tls(address: Address, error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return _certificate(address, error)
    reason = getattr(error, "reason", None) or ""
    if isinstance(error, ssl.SSLEOFError) or "UNEXPECTED_EOF" in reason:
        return "ended the connection during TLS; check that it expects TLS on this port"
    if reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"):
        plain = "http" if address.scheme == "https" else "tcp"
        return f"does not speak TLS on this port; use its TLS port, or {plain}:// if that is meant"
    if "CERTIFICATE_REQUIRED" in reason or reason == "SSLV3_ALERT_HANDSHAKE_FAILURE":
        return (
            "refused the TLS handshake, probably for lack of a client certificate; "
            "set tls.cert and tls.key"
        )
    if "ALERT" in reason:
        alert = reason.partition("ALERT_")[2].replace("_", " ").lower()
        return f"refused the TLS connection ({alert}); check tls.cert, and what it trusts"
    return f"cannot be spoken to over TLS: {reason.replace('_', ' ').lower() or error}"


def _certificate(address: Address, error: ssl.SSLCertVerificationError) -> str:
    code = error.verify_code
    if code == _EXPIRED:
        return "has a certificate that has expired; renew it on the server"
    if code == _NOT_YET:
        return "has a certificate that is not valid yet; check the clocks of both hosts"
    if code in _UNTRUSTED:
        return (
            "has a certificate of an authority that is not trusted here; "
            "set tls.ca to the authority's PEM file"
        )
    if code in _WRONG_NAME:
        asked = re.search(r"'(.+)'", error.verify_message)
        return (
            f'has a certificate that is not for "{asked[1] if asked else address.host}"; '
            "use its name in the address, or set tls.server_name to it"
        )
    return f"has a certificate that does not verify: {error.verify_message}"


def printable(text: str) -> str:
    """What a peer has said, on one line: whatever cannot be printed is a blank, and beyond `SHOWN`
    characters it is cut."""
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
