"""How commands verify an agent that serves HTTPS."""

from __future__ import annotations

import re
import ssl
from pathlib import Path

from pipeline.model.errors import DocklineError

_FIRST = re.compile(r"-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----")


def context_for(certificate: str) -> ssl.SSLContext:
    """The TLS of a client that trusts one certificate alone, whatever names are in it.

    `certificate`: a PEM file, of which only the first certificate counts: behind it may stand an
    authority that has signed those of others too. Blocks. Raises `DocklineError` if it can't be
    read.
    """
    try:
        found = _FIRST.search(Path(certificate).read_text("ascii", "replace"))
        if found is None:
            raise DocklineError(f"{certificate} (http.tls.cert) holds no certificate in PEM")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.check_hostname = False  # it is this certificate, or none
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        context.load_verify_locations(cadata=found[0])
    except (OSError, ssl.SSLError) as error:
        why = getattr(error, "reason", None) or error.strerror
        raise DocklineError(
            f"{certificate} (http.tls.cert) cannot be read ({why}), and without it the agent "
            "cannot be told from another program: run this as the agent's user or as root"
        ) from None
    return context


def distrusted(address: str, certificate: str, error: ssl.SSLError) -> DocklineError:
    """The error to raise when TLS with the agent at `address` failed with `error`.

    `certificate`: the file that was trusted; empty if it was the system's authorities.
    """
    if not isinstance(error, ssl.SSLCertVerificationError):
        why = error.reason or error
        return DocklineError(
            f"no agent answers at {address}: TLS failed ({why}); does it have http.tls?"
        )
    if certificate:
        return DocklineError(
            f"{address} has another certificate than {certificate} (http.tls.cert), or it has "
            f"expired ({error.verify_message}): nothing was sent to it. Find out which program "
            "listens there; the agent reads a renewed certificate within seconds"
        )
    return DocklineError(
        f"the certificate of {address} is not trusted ({error.verify_message}): nothing was sent "
        "to it. SSL_CERT_FILE names the file of an authority of your own"
    )
