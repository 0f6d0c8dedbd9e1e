"""How a command reaches a server: with or without TLS, with or without a token."""

import ssl
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import grpc
import typer

from router.rpc.transport.address import is_local
from router.rpc.transport.tls import BadTls, check_certificates, check_pair, read_pem

SYSTEM = "system"
"""Names the authorities that this machine trusts."""

option = partial(typer.Option, rich_help_panel="Server")
"""An option of a connection."""


class BadAccess(Exception):
    """The options do not make a connection; the text is one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Options of a connection; the defaults are for a server without TLS."""

    ca: Annotated[
        str | None,
        option(
            help="connect by TLS and trust certificates signed by these authorities "
            f"(PEM); {SYSTEM}: those this machine trusts",
            envvar="REPARTIR_CA",
        ),
    ] = None
    certificate: Annotated[
        Path | None,
        option(
            help="client certificate (PEM); with --key", envvar="REPARTIR_CERTIFICATE"
        ),
    ] = None
    key: Annotated[
        Path | None, option(help="key of --certificate (PEM)", envvar="REPARTIR_KEY")
    ] = None
    token: Annotated[
        str | None,
        option(
            metavar="SECRET",
            help="bearer token; prefer REPARTIR_TOKEN",
            envvar="REPARTIR_TOKEN",
        ),
    ] = None
    insecure_token: Annotated[
        bool,
        option(
            "--insecure-token", help="send the token to another machine without TLS"
        ),
    ] = False

    def __repr__(self) -> str:
        """Leave the token out."""
        return f"Access(ca={self.ca!r})"

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Return the metadata of every call."""
        return (("authorization", f"Bearer {self.token}"),) if self.token else ()


def open_channel(
    address: str, access: Access, options: tuple[tuple[str, int], ...]
) -> grpc.Channel:
    """Open a channel; it does not connect yet.

    Raises
    ------
    BadAccess
        An option is missing, a file is bad, or the token would be sent without TLS.
    """
    if (access.certificate is None) != (access.key is None):
        raise BadAccess("--certificate and --key go together")
    # gRPC's own error would name neither the option nor the cause.
    if access.token and not (access.token.isascii() and access.token.isprintable()):
        raise BadAccess("--token must be printable ASCII")
    if access.ca is None:
        if access.certificate is not None:
            raise BadAccess("--certificate needs --ca, which turns on TLS")
        if access.token and not access.insecure_token and not is_local(address):
            raise BadAccess(
                f"the token would be sent to {address} without TLS: give --ca, or"
                " --insecure-token if the network is trusted"
            )
        return grpc.insecure_channel(address, options=options)
    try:
        credentials = _credentials(access, access.ca)
    except BadTls as error:
        raise BadAccess(str(error)) from None
    return grpc.secure_channel(address, credentials, options=options)


def _credentials(access: Access, ca: str) -> grpc.ChannelCredentials:
    if ca == SYSTEM:
        # gRPC has a list of its own, which is not the machine's.
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
