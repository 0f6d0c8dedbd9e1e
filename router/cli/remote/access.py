"""How a command reaches a server: in clear or by TLS, with or without a token."""

import ssl
from dataclasses import dataclass
from pathlib import Path

import grpc

from router.rpc.transport.address import is_local
from router.rpc.transport.tls import BadTls, check_certificates, check_pair, read_pem

SYSTEM = "system"
"""Stands for the authorities that this machine trusts."""

CA_HELP = (
    "connect by TLS, to a server whose certificate one of these authorities (PEM) "
    f"has signed; {SYSTEM}: those this machine trusts"
)
CERTIFICATE_HELP = "what to show to a server that asks for it (PEM); with --key"
KEY_HELP = "the key of --certificate (PEM)"
TOKEN_HELP = "what the server knows us by; safer in the environment"  # noqa: S105
INSECURE_HELP = "send the token in clear to another machine"


class BadAccess(Exception):
    """What was given does not make a connection; the text is one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What a server wants to see; the defaults are a server's without TLS."""

    ca: str | None = None
    certificate: Path | None = None
    key: Path | None = None
    token: str | None = None
    insecure_token: bool = False

    def __repr__(self) -> str:
        """Say what it is, and not what the token is."""
        return f"Access(ca={self.ca!r})"

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Return what goes with every call."""
        return (("authorization", f"Bearer {self.token}"),) if self.token else ()


def open_channel(
    address: str, access: Access, options: tuple[tuple[str, int], ...]
) -> grpc.Channel:
    """Open a channel; it does not connect yet.

    Raises
    ------
    BadAccess
        An option is missing, a file is bad, or the token would go in clear.
    """
    if (access.certificate is None) != (access.key is None):
        raise BadAccess("--certificate and --key go together")
    # gRPC's own refusal of such a header would say neither what nor why.
    if access.token and not (access.token.isascii() and access.token.isprintable()):
        raise BadAccess("--token must be printable ASCII")
    if access.ca is None:
        if access.certificate is not None:
            raise BadAccess("--certificate needs --ca: there is no TLS without")
        if access.token and not access.insecure_token and not is_local(address):
            raise BadAccess(
                f"the token would go to {address} in clear: give --ca, or"
                " --insecure-token if the network is safe"
            )
        return grpc.insecure_channel(address, options=options)
    try:
        credentials = _credentials(access, access.ca)
    except BadTls as error:
        raise BadAccess(str(error)) from None
    return grpc.secure_channel(address, credentials, options=options)


def _credentials(access: Access, ca: str) -> grpc.ChannelCredentials:
    if ca == SYSTEM:
        # gRPC brings a list of its own, which is not the machine's.
        context = ssl.create_default_context()
        ders = context.get_ca_certs(binary_form=True)
        roots = "".join(map(ssl.DER_cert_to_PEM_cert, ders)).encode()
    else:
        roots = read_pem("--ca", Path(ca))
        check_certificates("--ca", Path(ca), roots)
    if access.certificate is None or access.key is None:
        return grpc.ssl_channel_credentials(roots)
    chain = read_pem("--certificate", access.certificate)
    check_certificates("--certificate", access.certificate, chain)
    key = read_pem("--key", access.key)
    check_pair("--certificate", access.certificate, "--key", access.key)
    return grpc.ssl_channel_credentials(roots, key, chain)
