"""Certificates that are good for this run only."""

from dataclasses import dataclass
from pathlib import Path

import trustme
from cryptography.hazmat.primitives import serialization


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, as PEM and as files."""

    certificate: bytes
    key: bytes
    certificate_file: Path
    key_file: Path


class Authority:
    """Signs certificates; its own is in `file`."""

    def __init__(self, folder: Path, name: str) -> None:
        self._ca = trustme.CA(organization_name=name)
        self._folder = folder
        self._name = name
        self.pem: bytes = self._ca.cert_pem.bytes()
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(self.pem)

    def sign(self, *names: str) -> Pair:
        made = self._ca.issue_cert(*names)
        certificate = b"".join(each.bytes() for each in made.cert_chain_pems)
        key = made.private_key_pem.bytes()
        stem = f"{self._name}-{names[0]}"
        files = (self._folder / f"{stem}.crt", self._folder / f"{stem}.key")
        for path, text in zip(files, (certificate, key), strict=True):
            path.write_bytes(text)
        return Pair(certificate, key, *files)


def encrypt(key: bytes) -> bytes:
    """Return a key as one whose reader has to know a word."""
    return serialization.load_pem_private_key(key, None).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"word"),
    )
