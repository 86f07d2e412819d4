"""TLS of the gateway, for deployments without a proxy before it and for sources that prove themselves by certificate."""

import ssl
from pathlib import Path


class TlsError(ValueError):
    """The certificate, its key or the client authorities can't be used."""


def server_context(cert: Path | None, key: Path | None, client_ca: Path | None) -> ssl.SSLContext | None:
    """TLS 1.2 and later; with `client_ca`, a client may show a certificate, and one of another authority ends the handshake.

    None without a certificate. Raises TlsError. PEM files; `cert` holds the chain, the server's own first.
    """
    if cert is None and key is None and client_ca is None:
        return None
    if cert is None or key is None:
        raise TlsError("ZHISHU_TLS_CERT and ZHISHU_TLS_KEY must both be given")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(cert, key)
    except (OSError, ssl.SSLError):
        raise TlsError(f"{cert} and {key} must be PEM files that can be read and belong together") from None
    if client_ca is not None:
        # A certificate is asked for, not demanded: other channels of the same address prove themselves otherwise.
        context.verify_mode = ssl.CERT_OPTIONAL
        try:
            context.load_verify_locations(client_ca)
        except (OSError, ssl.SSLError):
            raise TlsError(f"{client_ca} must be a PEM file of certificates that can be read") from None
    return context
