"""Makes what `[http]` says about TLS and a proxy."""

from __future__ import annotations

from pipeline.config.settings import HTTPConfig
from pipeline.observe.certificate import Certificate
from pipeline.observe.trusted_proxy import TrustedProxy


def certificate(http: HTTPConfig) -> Certificate | None:
    """The certificate to serve HTTPS with; None for HTTP."""
    return Certificate(http.tls.cert, http.tls.key) if http.tls is not None else None


def trusted_proxy(http: HTTPConfig) -> TrustedProxy | None:
    """The proxy whose users need no token; None if there is none."""
    proxy = http.trust_proxy
    if proxy is None:
        return None
    addresses = proxy.address if isinstance(proxy.address, list) else [proxy.address]
    return TrustedProxy(addresses, proxy.header)
