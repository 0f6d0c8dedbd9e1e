"""What a server proves itself with, and whose clients it asks to do the same.

gRPC says of a bad file only that it could not bind. So the files are tried with
the interpreter's own TLS first, whose errors fit one line.
"""

import ssl
from dataclasses import dataclass
from pathlib import Path

import grpc

CERTIFICATE = "--tls-certificate"
KEY = "--tls-key"
CLIENT_CA = "--client-ca"

MAX_FILE_BYTES = 2**20
"""Largest file: a chain of certificates has some thousands of bytes."""


class BadTls(Exception):
    """A file cannot be used; the text is one line that names its option."""

    def __init__(self, option: str, path: Path, why: str) -> None:
        super().__init__(f"{option} {path}: {why}")


@dataclass(frozen=True, slots=True)
class Tls:
    """A certificate with its chain, and its key, in PEM.

    With ``client_ca`` every client must show a certificate that one of these
    authorities has signed; who cannot is turned away before any call.
    """

    certificate: bytes
    key: bytes
    client_ca: bytes | None = None

    def __repr__(self) -> str:
        """Say what it is, and not what the key is."""
        return f"Tls(client certificates {'required' if self.client_ca else 'unused'})"


def read_tls(certificate: Path, key: Path, client_ca: Path | None = None) -> Tls:
    """Read PEM files and see that they fit together.

    Raises
    ------
    BadTls
        A file is missing, holds something else, or the key is another
        certificate's.
    """
    tls = Tls(
        _read_certificates(CERTIFICATE, certificate),
        read_pem(KEY, key),
        None if client_ca is None else _read_certificates(CLIENT_CA, client_ca),
    )
    check_pair(CERTIFICATE, certificate, KEY, key)
    return tls


def server_credentials(tls: Tls) -> grpc.ServerCredentials:
    """Return what gRPC listens with."""
    return grpc.ssl_server_credentials(
        [(tls.key, tls.certificate)],
        root_certificates=tls.client_ca,
        require_client_auth=tls.client_ca is not None,
    )


def read_pem(option: str, path: Path) -> bytes:
    """Read the file of an option.

    Raises
    ------
    BadTls
        It cannot be read, or is far too large.
    """
    try:
        with path.open("rb") as file:
            text = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise BadTls(option, path, why) from None
    if len(text) > MAX_FILE_BYTES:
        raise BadTls(option, path, f"has more than {MAX_FILE_BYTES:,} bytes")
    return text


def check_certificates(option: str, path: Path, text: bytes) -> None:
    """See that a file holds certificates; raises BadTls."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        # Words around the PEM may be in any language.
        context.load_verify_locations(cadata=text.decode("ascii", "ignore"))
    except (ssl.SSLError, ValueError):
        raise BadTls(option, path, "holds no certificate in PEM") from None


def check_pair(
    certificate_option: str, certificate: Path, key_option: str, key: Path
) -> None:
    """See that a key is its certificate's; raises BadTls."""

    def no_password() -> str:
        raise BadTls(key_option, key, "is encrypted; give a key without a passphrase")

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key, no_password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            why = f"is not the key of {certificate_option} {certificate}"
            raise BadTls(key_option, key, why) from None
        if error.reason in _WEAK:
            why = f"cannot be used: {error.reason.lower().replace('_', ' ')}"
            raise BadTls(certificate_option, certificate, why) from None
        raise BadTls(key_option, key, "holds no private key in PEM") from None
    except OSError as error:
        raise BadTls(key_option, key, (error.strerror or "gone").lower()) from None


_WEAK = ("EE_KEY_TOO_SMALL", "CA_MD_TOO_WEAK", "CA_KEY_TOO_SMALL")


def _read_certificates(option: str, path: Path) -> bytes:
    text = read_pem(option, path)
    check_certificates(option, path, text)
    return text
